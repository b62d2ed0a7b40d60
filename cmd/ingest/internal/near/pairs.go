package near

import (
	"context"
	"math"
	"math/bits"
)

// MaxDistance is the largest distance that Pairs takes. Unrelated images are about 30 bits apart.
const MaxDistance = 16

// Distance is the number of bits that hashes differ in.
func Distance(a, b uint64) int { return bits.OnesCount64(a ^ b) }

// Pairs finds all pairs of hashes that differ in at most distance bits, 0 to MaxDistance, and calls pair with their places, once for each pair and in an
// order that the hashes decide. It tells progress the passes done, and how many there are. Beside the hashes it holds 8 bytes for each. The error is that of ctx.
//
// Hashes are cut into bands of bits, and only those are compared that have some bands in common. Time grows with n*n only where that many are
// alike: give it different hashes.
func Pairs(ctx context.Context, hashes []uint64, distance int, progress func(done, total int), pair func(a, b int)) error {
	p := newPlan(len(hashes), distance)
	masks := p.masks()
	t := newBuckets(len(hashes))
	compared := 0
	for pass, mask := range masks {
		progress(pass, len(masks))
		t.fill(hashes, mask)
		for b := range t.ends {
			bucket := t.bucket(b)
			for i, one := range bucket {
				if compared += i + 1; compared >= checkEvery {
					compared = 0
					if ctx.Err() != nil {
						return context.Cause(ctx)
					}
				}
				for _, other := range bucket[:i] {
					if Distance(hashes[one], hashes[other]) <= distance && p.meeting(hashes[one]^hashes[other]) == mask {
						pair(int(other), int(one))
					}
				}
			}
		}
	}
	progress(len(masks), len(masks))
	return context.Cause(ctx)
}

// checkEvery is how many comparisons pass between two looks at the context.
const checkEvery = 1 << 20

// A plan is how the bits of hashes are cut into bands. Hashes that differ in d bits differ in at most d bands, so of d+k bands they have
// at least k in common.
type plan struct {
	common int      // k
	bands  []uint64 // the bits of each
}

// newPlan chooses the k that is least work for n hashes: the higher it is, the more passes there are, and the fewer hashes meet in each.
func newPlan(n, distance int) plan {
	const mostCommon, placing = 4, 16 // to put a hash into a bucket takes as long as so many comparisons
	best, least, passes := 1, math.Inf(1), 1.0
	for k := 1; k <= mostCommon; k++ {
		passes *= float64(distance+k) / float64(k) // k out of distance+k
		meet := float64(n) * math.Exp2(-float64(64*k)/float64(distance+k))
		if work := passes * (placing + meet); work < least {
			best, least = k, work
		}
	}
	p := plan{common: best, bands: make([]uint64, distance+best)}
	for i := range p.bands {
		from, to := 64*i/len(p.bands), 64*(i+1)/len(p.bands)
		p.bands[i] = (1<<(to-from) - 1) << from
	}
	return p
}

// masks are the bits that hashes must have in common to meet in each of the passes: of all choices of bands.
func (p plan) masks() (masks []uint64) {
	var choose func(from, left int, mask uint64)
	choose = func(from, left int, mask uint64) {
		if left == 0 {
			masks = append(masks, mask)
			return
		}
		for i := from; i+left <= len(p.bands); i++ {
			choose(i+1, left-1, mask|p.bands[i])
		}
	}
	choose(0, p.common, 0)
	return masks
}

// meeting is the mask of the one pass, of those in which two hashes meet that differ in these bits, that counts: that of their first common bands.
func (p plan) meeting(differ uint64) (mask uint64) {
	left := p.common
	for _, band := range p.bands {
		if differ&band == 0 && left > 0 {
			mask |= band
			left--
		}
	}
	return mask
}

// buckets hold the places of hashes, those with the same bits under a mask in the same bucket.
type buckets struct {
	places []uint32
	ends   []uint32 // of each bucket, in places
}

func newBuckets(n int) *buckets {
	return &buckets{places: make([]uint32, n), ends: make([]uint32, 1<<max(bits.Len(uint(n))-1, 0))}
}

// fill puts hashes into their buckets, each in order.
func (t *buckets) fill(hashes []uint64, mask uint64) {
	const golden = 0x9E3779B97F4A7C15 // spreads the bits under the mask over the highest ones
	shift := 64 - bits.TrailingZeros(uint(len(t.ends)))
	at := func(h uint64) uint64 { return (h & mask) * golden >> shift }
	clear(t.ends)
	for _, h := range hashes {
		t.ends[at(h)]++
	}
	sum := uint32(0)
	for i, n := range t.ends { // until they are filled, where they begin
		t.ends[i] = sum
		sum += n
	}
	for i, h := range hashes {
		b := at(h)
		t.places[t.ends[b]] = uint32(i)
		t.ends[b]++
	}
}

func (t *buckets) bucket(b int) []uint32 {
	from := uint32(0)
	if b > 0 {
		from = t.ends[b-1]
	}
	return t.places[from:t.ends[b]]
}
