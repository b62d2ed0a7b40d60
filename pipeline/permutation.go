package pipeline

import "math/bits"

// permutation is a keyed bijection of [0, n), evaluated at one index without a table: a Feistel network on the smallest
// power of two that holds n, walked until it lands below n (on average less than twice).
type permutation struct {
	n           uint64
	left, right uint // bits of the two halves
	keys        [8]uint64
}

// newPermutation returns the permutation of [0, n) that the next numbers of g choose.
func newPermutation(n int, g *philox) permutation {
	width := uint(max(bits.Len64(uint64(n)-1), 2))
	p := permutation{n: uint64(n), left: width / 2, right: width - width/2}
	for i := range p.keys {
		p.keys[i] = g.Uint64()
	}
	return p
}

// at returns what stands at position i, with 0 <= i < n.
func (p *permutation) at(i int) int {
	x := uint64(i)
	for {
		x = p.encrypt(x)
		if x < p.n {
			return int(x)
		}
	}
}

// encrypt alters one half by a function of the other in turn, which can be undone and so is a bijection.
func (p *permutation) encrypt(x uint64) uint64 {
	l, r := x>>p.right, x&(1<<p.right-1)
	for i := 0; i < len(p.keys); i += 2 {
		l ^= mix(r+p.keys[i]) & (1<<p.left - 1)
		r ^= mix(l+p.keys[i+1]) & (1<<p.right - 1)
	}
	return l<<p.right | r
}

// mix is the finaliser of SplitMix64: every bit of the result depends on every bit of x.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xBF58476D1CE4E5B9
	x ^= x >> 27
	x *= 0x94D049BB133111EB
	return x ^ x>>31
}
