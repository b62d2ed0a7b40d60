package pipeline

import (
	"fmt"
	"runtime"

	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Options are the parameters of a Pipeline. The zero value is a good start for training. Of all fields, only Seed, Batch,
// KeepTail, Ordered and Window decide what global batch n holds; World and Rank decide which rows of it this process makes.
type Options struct {
	// Batch is the number of images in a global batch, before views: a batch of 256 has 512 views. The default is 256.
	Batch int

	// Epochs is how often Batches goes through the source. The default is 0: without end.
	Epochs int

	// Seed decides the order of the images and all random numbers of the stages. The default is 0.
	Seed uint64

	// Workers is the number of goroutines that run stages. It changes no byte. The default is GOMAXPROCS, or the number of CPUs
	// if that is less.
	//
	// Stages spend their time in C, and Go's scheduler takes the place of a goroutine there for idle unless another one is: a program that
	// does little else should set GOMAXPROCS to the number of workers and one more, as goclr's commands do. It makes a third more
	// images a second on 2 CPUs.
	Workers int

	// Prefetch is the number of batches made ahead of the one in use; memory holds one more. The default is 2.
	Prefetch int

	// Tune lets the pipeline change Workers and Prefetch as it runs, for as long as the consumer waits for batches: up to 8
	// workers for each CPU and 8 batches ahead, or what is given if that is more. It changes no byte. The default
	// is false.
	Tune bool

	// World is the number of processes that share every global batch; it divides Batch. The default is 1.
	World int

	// Rank is the number of this process, below World: it makes rows [Rank*Batch/World, (Rank+1)*Batch/World) of each
	// global batch. The default is 0.
	Rank int

	// KeepTail emits the short batch at the end of an epoch, for evaluation. The default is false: it is dropped.
	KeepTail bool

	// Ordered takes the images in the order of the source, for evaluation. The default is false: shuffled in each epoch.
	Ordered bool

	// Window is the number of images that are shuffled among each other, so that a source far away need hold no more of itself
	// nearby. The default is 0: all, as with any number from that of the images up. With Ordered it has no effect.
	//
	// Images come in turn from 16 blocks, each of Window/16 consecutive images of the source in random order. Where one block is used up,
	// another is begun elsewhere, one after the other all through the epoch; blocks are others in each epoch, and every image still
	// comes once. So a source that keeps whole pieces of itself, such as files that it fetches, needs room for the pieces of
	// 24 blocks, and fetches a piece once for each block that has a part of it: twice where blocks are as long as pieces.
	//
	// It is worth setting where memory does not hold the source and to read a piece costs much less than to read its images one by one, over a
	// network or from a disk that seeks. The source should then be shuffled itself, as a batch has images of 16 places or a few more: one
	// sorted by class gives batches of few classes.
	Window int

	// Params adds a column with every parameter that the stages drew: see Params, the function. It changes no view. The
	// default is false.
	Params bool

	// MaxBad is the fraction of samples that may be bad before Batches yields an error. It is checked after each batch,
	// counts this rank's samples since the first batch of the Batches call, substitutes included, and is taken of at
	// least 1,000 samples, so that one bad image in the first batch ends no run. Negative: not one may be bad. The
	// default is 0.01.
	MaxBad float64

	// OnBad is told of each bad sample, in order of rows, by the goroutine that ranges over Batches, before that batch is
	// yielded. The default is nil: nobody is told.
	OnBad func(*SampleError)

	// Allocator provides the memory of the records, one block each, aligned to 64 bytes as Arrow's own allocators do. It
	// is used by several goroutines at once. The default is memory.DefaultAllocator.
	Allocator memory.Allocator
}

// withDefaults returns the options with defaults filled in, checked against a source of n images.
func (o Options) withDefaults(n int) (Options, error) {
	for _, f := range []struct {
		name  string
		value int
	}{
		{"Batch", o.Batch}, {"Epochs", o.Epochs}, {"Workers", o.Workers}, {"Prefetch", o.Prefetch},
		{"World", o.World}, {"Rank", o.Rank}, {"Window", o.Window},
	} {
		if f.value < 0 {
			return o, fmt.Errorf("pipeline: Options.%s is %d; it must not be negative, and 0 selects the default", f.name, f.value)
		}
	}
	setDefault(&o.Batch, 256)
	setDefault(&o.Workers, cpus())
	setDefault(&o.Prefetch, 2)
	setDefault(&o.World, 1)
	if o.Ordered || o.Window >= n {
		o.Window = 0 // so that equal batches have equal plans
	}
	if o.MaxBad == 0 {
		o.MaxBad = 0.01
	}
	if o.Allocator == nil {
		o.Allocator = memory.DefaultAllocator
	}
	switch {
	case n <= 0:
		return o, fmt.Errorf("pipeline: the source has %d images; check its path and filters", n)
	case o.Batch > n && !o.KeepTail:
		return o, fmt.Errorf("pipeline: Options.Batch is %d, but the source has %d images; use a batch of at most %d, "+
			"or KeepTail for evaluation", o.Batch, n, n)
	case o.Batch%o.World != 0:
		return o, fmt.Errorf("pipeline: Options.Batch %d is not divisible by Options.World %d; every rank makes the same "+
			"number of rows", o.Batch, o.World)
	case o.Rank >= o.World:
		return o, fmt.Errorf("pipeline: Options.Rank is %d, but Options.World is %d; ranks count from 0", o.Rank, o.World)
	case !(o.MaxBad <= 1):
		return o, fmt.Errorf("pipeline: Options.MaxBad is %g; it is a fraction of at most 1", o.MaxBad)
	}
	return o, nil
}

// cpus is how many goroutines can run at once.
func cpus() int { return min(runtime.GOMAXPROCS(0), runtime.NumCPU()) }

func setDefault(v *int, d int) {
	if *v == 0 {
		*v = d
	}
}
