package pipeline

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestWindowedIsBijection(t *testing.T) {
	check := func(n, window int, seed, epoch uint64) {
		w := newWindowed(n, window, seed, epoch)
		seen := make([]bool, n)
		for i := range n {
			j := w.at(i)
			if j < 0 || j >= n || seen[j] {
				t.Fatalf("%d images, window %d, seed %d, epoch %d: position %d gives image %d, out of range or taken", n, window, seed, epoch, i, j)
			}
			seen[j] = true
		}
	}
	for n := 2; n < 70; n++ {
		for window := 1; window < n; window++ {
			check(n, window, 7, uint64(n%3))
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		n := 2 + r.IntN(5000)
		check(n, 1+r.IntN(n-1), r.Uint64(), r.Uint64N(5))
	}
}

// Over many epochs every image stands at every position about equally often, so a dropped tail takes all images alike.
func TestWindowedIsUniform(t *testing.T) {
	const epochs = 8000
	for _, c := range []struct{ images, window int }{{11, 3}, {50, 32}} {
		at := make([]float64, c.images*c.images)
		for epoch := range uint64(epochs) {
			w := newWindowed(c.images, c.window, 7, epoch)
			for i := range c.images {
				at[i*c.images+w.at(i)]++
			}
		}
		want := float64(epochs) / float64(c.images)
		for i, got := range at {
			if chi := (got - want) * (got - want) / want; chi > 20 { // 1 degree of freedom: p < 1e-5
				t.Errorf("%+v: image %d is at position %d %v times, want about %v", c, i%c.images, i/c.images, got, want)
			}
		}
	}
}

// The order of an epoch is part of the format of a plan: a change here needs a new planVersion.
func TestWindowedIsFrozen(t *testing.T) {
	for _, c := range []struct {
		images, window int
		want           []int
	}{
		{12, 3, []int{4, 7, 10, 1, 8, 11, 6, 3, 2, 5, 9, 0}},
		{37, 32, []int{
			32, 4, 17, 13, 12, 1, 24, 10, 7, 28, 15, 29, 19, 5, 21, 26, 16, 22, 30, 23, 14, 11, 20, 3, 18, 31, 25, 6, 8, 2, 27, 9,
			33, 34, 35, 36, 0,
		}},
	} {
		w := newWindowed(c.images, c.window, 7, 3)
		var got []int
		for i := range c.images {
			got = append(got, w.at(i))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%d images, window %d: got %v, want %v", c.images, c.window, got, c.want)
		}
	}
}

// Images that are neighbours in the source are as far from each other in the epoch as two of a window at random, a third of it on
// average, in either order; and a batch has as many images of each block.
func TestWindowedMixes(t *testing.T) {
	const images, window, batch = 100_000, 16_000, 256
	w := newWindowed(images, window, 7, 3)
	at := make([]int, images) // position of an image
	for i := range images {
		at[w.at(i)] = i
	}
	var pairs, sum, later float64
	for j := range images - 1 {
		// Around the epoch, as a lane begins and ends in the same block.
		d := (at[j+1]-at[j]+images*3/2)%images - images/2
		if max(d, -d) <= window { // else they are of different blocks
			pairs++
			sum += math.Abs(float64(d))
			if d > 0 {
				later++
			}
		}
	}
	if pairs < 0.97*images {
		t.Errorf("only %v neighbours of %d are within a window", pairs, images)
	}
	if mean := sum / pairs; math.Abs(mean/window-1./3) > 0.01 {
		t.Errorf("neighbours are %.0f apart on average, want about %d", mean, window/3)
	}
	if math.Abs(later/pairs-0.5) > 0.01 {
		t.Errorf("of two neighbours the later one comes later in %v of %v cases", later, pairs)
	}
	for first := 0; first+batch <= images; first += batch {
		of := map[int]int{}
		for i := range batch {
			of[w.blockOf(w.at(first+i))]++
		}
		for block, n := range of {
			if len(of) < windowLanes || n > batch/windowLanes {
				t.Fatalf("the batch at %d has images of %d blocks, %d of them of block %d", first, len(of), n, block)
			}
		}
	}
}

// Blocks come in random order, and so do the blocks of a turn.
func TestWindowedHasNoPattern(t *testing.T) {
	w := newWindowed(100_000, 8000, 7, 3)
	var begun []int
	seen := map[int]bool{}
	last, same := -1, 0
	for turn := range w.turns {
		for slot := range w.lanes {
			block := w.blockOf(w.at(turn*w.lanes + slot))
			if !seen[block] {
				seen[block] = true
				begun = append(begun, block)
			}
			if slot == 0 {
				if block == last {
					same++
				}
				last = block
			}
		}
	}
	rises := 0
	for i := range len(begun) - 1 {
		if begun[i+1] > begun[i] {
			rises++
		}
	}
	if share := float64(rises) / float64(len(begun)-1); math.Abs(share-0.5) > 0.1 {
		t.Errorf("in %v of all cases the block begun next lies behind in the source", share)
	}
	if share := float64(same) / float64(w.turns); math.Abs(share-1./windowLanes) > 0.02 {
		t.Errorf("in %v of all cases two turns begin with the same block", share)
	}
}

// blockOf is the number of the block, short ones counted on, that an image lies in.
func (w *windowed) blockOf(image int) int {
	i := (image - w.origin + w.images) % w.images
	whole := w.whole * w.lanes * w.block
	switch {
	case i < whole:
		return i / w.block
	case i < w.turns*w.lanes:
		return w.whole*w.lanes + (i-whole)/(w.turns%w.block)
	}
	return -1 // what is too short for a turn
}

// Blocks are begun one by one, but for those of the first turn.
func TestWindowedBeginsOneBlockAfterTheOther(t *testing.T) {
	for _, c := range []struct{ images, window int }{{100_000, 16_000}, {10_007, 1000}, {9999, 5000}} {
		w := newWindowed(c.images, c.window, 7, 3)
		begun := map[int]bool{}
		var at []int // positions where a block is begun
		for i := range c.images {
			block := w.blockOf(w.at(i))
			if !begun[block] && i >= w.lanes {
				at = append(at, i)
			}
			begun[block] = true
		}
		for i := range at {
			// One whole block, near the end a short one too, and a turn is in random order.
			if i >= 3 && at[i]-at[i-3] < w.block-2*w.lanes {
				t.Errorf("%+v: positions %v each begin a block of %d images", c, at[i-3:i+1], w.block)
			}
		}
	}
}

// A source that keeps whole pieces of itself, and loads what is announced, needs room for the pieces of 24 blocks. It loads a piece
// as often as blocks lie in it, and has done so when its images are read, but for a few where all blocks change, with the epoch.
func TestWindowedNeedsFewPieces(t *testing.T) {
	const images, window, prefetch, epochs = 50_000, 8000, 512, 2
	_, block := cutWindow(window)
	for _, piece := range []int{block / 3, block, 2 * block} {
		perBlock := float64(block)/float64(piece) + 1
		c := pieces{room: int(24 * perBlock), used: map[int]int{}}
		late := 0
		orders := [epochs]*windowed{newWindowed(images, window, 7, 0), newWindowed(images, window, 7, 1)}
		at := func(i int) int { return orders[i/images].at(i%images) / piece }
		const ahead = prefetch + window/windowLanes
		for i := range ahead {
			c.use(at(i))
		}
		for i := range images*epochs - ahead {
			c.use(at(i + ahead))
			if !c.use(at(i)) {
				late++
				if i < images-ahead {
					t.Errorf("pieces of %d images: the one of position %d is not there in time", piece, i)
				}
			}
		}
		if late > images/1000 {
			t.Errorf("pieces of %d images: %d images were not there in time", piece, late)
		}
		if most := epochs * (images/float64(block) + windowLanes) * perBlock; float64(c.loaded) > most { // lanes begin and end in the same block
			t.Errorf("pieces of %d images: %d were loaded, want at most %.0f", piece, c.loaded, most)
		}
	}
}

// pieces is a cache that drops what was not used for longest.
type pieces struct {
	room, loaded, now int
	used              map[int]int // when each piece was used last
}

// use reports whether the piece was there.
func (p *pieces) use(piece int) bool {
	_, there := p.used[piece]
	if !there {
		p.loaded++
	}
	p.now++
	p.used[piece] = p.now
	if len(p.used) > p.room {
		oldest := piece
		for k, when := range p.used {
			if when < p.used[oldest] {
				oldest = k
			}
		}
		delete(p.used, oldest)
	}
	return there
}

// The first images that stand in for bad ones are of the blocks that are in use, around the epoch too.
func TestSubstitutesAreNear(t *testing.T) {
	const images, window, batch = 20_000, 8000, 64
	o := order{images: images, batch: batch, world: 1, seed: 5, window: window, views: 2}
	near, all := 0, 0
	for n := range o.steps() {
		s := o.span(n)
		w := s.seq.(*windowed)
		inUse := map[int]bool{}
		for row := range s.rows {
			inUse[w.blockOf(w.at(s.first+row))] = true
		}
		here := 0
		for row := range s.rows {
			if id, ok := o.image(&s, row, 1); ok && inUse[w.blockOf(id)] {
				here++
			}
		}
		if here < batch/2 {
			t.Errorf("batch %d: of %d substitutes %d are of blocks in use", n, batch, here)
		}
		near, all = near+here, all+batch
	}
	if float64(near) < 0.95*float64(all) {
		t.Errorf("of %d substitutes %d are of blocks in use", all, near)
	}
}
