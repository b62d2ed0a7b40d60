package pipeline

// Permutation makes the shuffle visible to tests.
type Permutation struct{ permutation }

// NewPermutation is newPermutation.
func NewPermutation(n int, seed, epoch uint64) *Permutation {
	return &Permutation{newPermutation(n, seed, epoch)}
}

// At is at.
func (p *Permutation) At(i int) int { return p.at(i) }
