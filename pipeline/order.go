package pipeline

// order says which image stands in which row of which batch. All of it is a pure function.
type order struct {
	images      int // in the source
	batch       int // rows of a full global batch
	rank, world int
	seed        uint64
	sequential  bool // Options.Ordered
	window      int  // Options.Window; 0 if all images are shuffled among each other
	keepTail    bool
	views       int
}

// maxTries bounds the images tried for one row, so that a run in which all fail ends after a batch, not after an epoch.
const maxTries = 32

// steps is the number of batches in an epoch.
func (o *order) steps() int {
	if o.keepTail {
		return (o.images + o.batch - 1) / o.batch
	}
	return o.images / o.batch
}

// span is one global batch: positions [first, first+rows) of an epoch's permutation.
type span struct {
	epoch       uint64
	first, rows int
	seq         sequence
}

// sequence is the order of the images in an epoch: at returns the image at a position, each image at one.
type sequence interface{ at(position int) int }

// span returns global batch n.
func (o *order) span(n int) span {
	steps := o.steps()
	s := span{epoch: uint64(n / steps), first: n % steps * o.batch}
	s.rows = min(o.batch, o.images-s.first)
	s.seq = o.sequence(s.epoch)
	return s
}

// sequence returns the order of the images in an epoch.
func (o *order) sequence(epoch uint64) sequence {
	switch {
	case o.sequential:
		return ordered{}
	case o.window > 0:
		return newWindowed(o.images, o.window, o.seed, epoch)
	}
	var g philox
	g.seekHash(o.seed, shuffleHash, epoch, 0, 0)
	p := newPermutation(o.images, &g)
	return &p
}

var shuffleHash = stageHash("shuffle")

// ordered is the order of the source.
type ordered struct{}

func (ordered) at(position int) int { return position }

// share returns the rows [from, to) of s that this rank makes.
func (o *order) share(s *span) (from, to int) {
	return o.rank * s.rows / o.world, (o.rank + 1) * s.rows / o.world
}

// image returns the image for a row of the global batch: at try 0 its own, then its substitutes, until none is left.
//
// Of the images outside the batch, counted from its end and around the epoch, row i has numbers i, i+rows, i+2*rows and so
// on: no two rows share one, so no image is ever its own negative, whoever else in the batch is bad. With one view there
// are no negatives, and a row that finds nothing outside, as when the batch is the whole set, goes on with its neighbours.
//
// With a window, what follows a batch is mostly of the blocks that it is of itself, around the epoch too: a lane ends in the block in
// which it began.
func (o *order) image(s *span, row, try int) (id int, ok bool) {
	if try == 0 {
		return s.seq.at(s.first + row), true
	}
	if try >= maxTries {
		return 0, false
	}
	outside := o.images - s.rows
	k := row + (try-1)*s.rows
	if k < outside {
		return s.seq.at((s.first + s.rows + k) % o.images), true
	}
	if o.views > 1 {
		return 0, false
	}
	used := max(0, (outside-row+s.rows-1)/s.rows) // substitutes that row had from outside
	if step := try - used; step < s.rows {
		return s.seq.at(s.first + (row+step)%s.rows), true
	}
	return 0, false
}
