package pipeline

// Permutation makes the shuffle visible to tests.
type Permutation struct{ permutation }

// NewPermutation returns the order of n images in an epoch.
func NewPermutation(n int, seed, epoch uint64) *Permutation {
	return &Permutation{shuffled(n, seed, epoch)}
}

// At is at.
func (p *Permutation) At(i int) int { return p.at(i) }
