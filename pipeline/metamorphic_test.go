package pipeline_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// These are the digests of the pipeline below, on every machine. A change of one needs a new version in Plan.
const (
	nastyDigest    = "7dd6807040271e9bc85a3612e3c96d9ba043d4d4f015e23d3572381015014810"
	windowedDigest = "593324ab511b58894002fd5a7d13082ca39717ef43987d69f8fc6a27584956a1" // with nastyWindow
)

const nastyWindow = 64

const nastyImages, nastyBatch, nastyEpochs = 203, 16, 2

// nastyPipeline has unreadable images, failing, panicking and slow stages.
func nastyPipeline(t testing.TB, o pipeline.Options) *pipeline.Pipeline {
	o.Batch, o.Epochs, o.Seed, o.MaxBad = nastyBatch, nastyEpochs, 11, 0.5
	src := broken{counting{nastyImages}, func(i int) bool { return i%29 == 3 }}
	return mustNew(t, src, o, unpack{Size: 4}, noise{Most: 3}, nasty{},
		pipeline.Pair(noise{Most: 9}, mirror{}, nasty{}, noise{Most: 1}))
}

// digestOf runs steps [from, to) of p.
func digestOf(t testing.TB, d digest, p *pipeline.Pipeline, from, to int) {
	t.Helper()
	if from == to {
		return
	}
	for rec, err := range p.Batches(context.Background(), from) {
		if err != nil {
			t.Fatal(err)
		}
		d.add(rows(t, rec))
		if from++; from == to {
			return
		}
	}
	t.Fatalf("the batches ended at step %d of %d", from, to)
}

func TestOneDigest(t *testing.T) { testOneDigest(t, 0, nastyDigest) }

func TestOneDigestOfWindow(t *testing.T) { testOneDigest(t, nastyWindow, windowedDigest) }

// A window of all images is none.
func TestOneDigestOfWholeWindow(t *testing.T) {
	for _, window := range []int{nastyImages, nastyImages + 1} {
		p := nastyPipeline(t, pipeline.Options{Window: window})
		d := newDigest()
		digestOf(t, d, p, 0, nastyEpochs*p.Steps())
		if got := d.String(); got != nastyDigest {
			t.Errorf("window %d: digest is %s, want %s", window, got, nastyDigest)
		}
	}
}

func testOneDigest(t *testing.T, window int, want string) {
	steps := nastyEpochs * (nastyImages / nastyBatch)
	nasty := func(o pipeline.Options) *pipeline.Pipeline {
		o.Window = window
		return nastyPipeline(t, o)
	}
	whole := func(o pipeline.Options) string {
		d := newDigest()
		digestOf(t, d, nasty(o), 0, steps)
		return d.String()
	}
	if got := whole(pipeline.Options{Workers: 1, Prefetch: 1}); got != want {
		t.Fatalf("digest with one worker is %s, want %s", got, want)
	}
	for _, workers := range []int{1, 2, 7, 32} {
		for _, prefetch := range []int{1, 2, 9} {
			t.Run(fmt.Sprintf("workers %d, prefetch %d", workers, prefetch), func(t *testing.T) {
				if got := whole(pipeline.Options{Workers: workers, Prefetch: prefetch}); got != want {
					t.Errorf("digest is %s, want %s", got, want)
				}
			})
		}
	}
	for _, procs := range []int{1, 4} {
		t.Run(fmt.Sprintf("GOMAXPROCS %d", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			if got := whole(pipeline.Options{}); got != want {
				t.Errorf("digest is %s, want %s", got, want)
			}
		})
	}
	for stop := range steps + 1 {
		t.Run(fmt.Sprintf("resumed at %d", stop), func(t *testing.T) {
			d := newDigest()
			digestOf(t, d, nasty(pipeline.Options{Workers: 3}), 0, stop)
			digestOf(t, d, nasty(pipeline.Options{Workers: 2, Prefetch: 1}), stop, steps)
			if got := d.String(); got != want {
				t.Errorf("digest is %s, want %s", got, want)
			}
		})
	}
	for _, world := range []int{2, 4, 16} {
		t.Run(fmt.Sprintf("%d ranks", world), func(t *testing.T) {
			batches := make([][]row, steps)
			for rank := range world {
				n := 0
				for rec, err := range nasty(pipeline.Options{World: world, Rank: rank}).Batches(context.Background(), 0) {
					if err != nil {
						t.Fatal(err)
					}
					batches[n] = append(batches[n], rows(t, rec)...)
					n++
				}
			}
			d := newDigest()
			for _, b := range batches {
				d.add(b)
			}
			if got := d.String(); got != want {
				t.Errorf("digest is %s, want %s", got, want)
			}
		})
	}
}

// Two ranges over one pipeline at once do not disturb each other.
func TestLoopsAtOnce(t *testing.T) {
	p := nastyPipeline(t, pipeline.Options{Workers: 2})
	got := make(chan string)
	for range 3 {
		go func() {
			d := newDigest()
			for rec, err := range p.Batches(context.Background(), 0) {
				if err != nil {
					t.Error(err)
					break
				}
				d.add(rows(t, rec))
			}
			got <- d.String()
		}()
	}
	for range 3 {
		if d := <-got; d != nastyDigest {
			t.Errorf("digest is %s, want %s", d, nastyDigest)
		}
	}
}

// Random numbers are keyed by the name of the stage: what stands before or after it changes none of them.
func TestStagesDoNotDisturbEachOther(t *testing.T) {
	drawn := func(stages ...pipeline.Stage) string {
		var order string
		record := pipeline.Named("Record", pipeline.StageFunc(func(s *pipeline.Sample) error {
			order += fmt.Sprintf("%d:%x ", s.ID, s.Rand.Uint64())
			return nil
		}))
		p := mustNew(t, counting{20}, pipeline.Options{Batch: 10, Epochs: 2, Workers: 1},
			unpack{Size: 2}, pipeline.Pair(append(stages, record)...))
		for _, err := range p.Batches(context.Background(), 0) {
			if err != nil {
				t.Fatal(err)
			}
		}
		return order
	}
	alone := drawn()
	if with := drawn(noise{Most: 5}, mirror{}); with != alone {
		t.Errorf("Record drew\n%s\nalone and\n%s\nbehind others", alone, with)
	}
}
