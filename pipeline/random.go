package pipeline

import (
	"hash/fnv"
	"math/bits"
	"math/rand/v2"
)

// A Key names one sequence of random numbers. Equal keys yield equal numbers on every machine.
type Key struct {
	Seed  uint64
	Stage string // name of the stage, see Stage
	Epoch uint64
	ID    uint64 // sample id
	View  int    // 0 outside Pair, 1 and 2 inside
}

// Rand returns the generator that a stage with key k finds in Sample.Rand. It costs one allocation.
func (k Key) Rand() *rand.Rand {
	g := new(philox)
	g.seek(k)
	return rand.New(g)
}

// philox is Philox4x64-10 (Salmon et al., SC 2011): block n of a sequence is a function of key and counter, so nothing is
// carried from sample to sample. Key: (seed, hash of the stage name). Counter: (draw, view, sample id, epoch).
type philox struct {
	key   [2]uint64
	ctr   [4]uint64
	block [4]uint64
	used  int
}

// Uint64 implements rand.Source.
func (p *philox) Uint64() uint64 {
	if p.used == len(p.block) {
		p.block = philox4x64(p.ctr, p.key)
		p.ctr[0]++
		p.used = 0
	}
	v := p.block[p.used]
	p.used++
	return v
}

func (p *philox) seek(k Key) { p.seekHash(k.Seed, stageHash(k.Stage), k.Epoch, k.ID, uint64(k.View)) }

// seekHash is seek for a stage whose name is hashed already. It does not allocate.
func (p *philox) seekHash(seed, stage, epoch, id, view uint64) {
	p.key = [2]uint64{seed, stage}
	p.ctr = [4]uint64{0, view, id, epoch}
	p.used = len(p.block)
}

func stageHash(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

func philox4x64(c [4]uint64, k [2]uint64) [4]uint64 {
	for range 10 {
		h0, l0 := bits.Mul64(0xD2E7470EE14C6C93, c[0])
		h1, l1 := bits.Mul64(0xCA5A826395121157, c[2])
		c = [4]uint64{h1 ^ c[1] ^ k[0], l1, h0 ^ c[3] ^ k[1], l0}
		k[0] += 0x9E3779B97F4A7C15
		k[1] += 0xBB67AE8584CAA73B
	}
	return c
}
