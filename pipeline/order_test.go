package pipeline

import (
	"fmt"
	"slices"
	"testing"
)

// shuffled returns the order of n images in an epoch.
func shuffled(n int, seed, epoch uint64) permutation {
	o := order{images: n, seed: seed}
	return *o.sequence(epoch).(*permutation)
}

func TestPermutationIsBijection(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 10, 63, 64, 65, 1003, 4096, 100_003} {
		for epoch := range uint64(3) {
			p := shuffled(n, 7, epoch)
			seen := make([]bool, n)
			for i := range n {
				j := p.at(i)
				if j < 0 || j >= n || seen[j] {
					t.Fatalf("n %d, epoch %d: position %d gives image %d, out of range or taken", n, epoch, i, j)
				}
				seen[j] = true
			}
		}
	}
}

// Over many epochs every image stands at every position, and follows every other, about equally often.
func TestPermutationIsUniform(t *testing.T) {
	const n, epochs = 10, 20_000
	var at, next [n][n]float64
	for epoch := range uint64(epochs) {
		p := shuffled(n, 7, epoch)
		for i := range n {
			j := p.at(i)
			at[i][j]++
			next[j][p.at((i+1)%n)]++
		}
	}
	check := func(name string, got float64, want float64) {
		if chi := (got - want) * (got - want) / want; chi > 20 { // 1 degree of freedom: p < 1e-5
			t.Errorf("%s: %v times, want about %v", name, got, want)
		}
	}
	for i := range n {
		for j := range n {
			check(fmt.Sprintf("image %d at %d", j, i), at[i][j], epochs/n)
			if i != j {
				check(fmt.Sprintf("image %d after %d", j, i), next[i][j], epochs/(n-1.0))
			}
		}
	}
}

// The order of an epoch is part of the format of a plan: a change here needs a new planVersion.
func TestPermutationIsFrozen(t *testing.T) {
	p := shuffled(12, 7, 3)
	var got []int
	for i := range 12 {
		got = append(got, p.at(i))
	}
	if want := []int{0, 9, 6, 8, 11, 2, 1, 7, 5, 3, 4, 10}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOrderOfEpochs(t *testing.T) {
	for _, c := range []struct {
		images, batch int
		tail          bool
		window        int
		rows          []int // of the batches of an epoch
	}{
		{10, 4, false, 0, []int{4, 4}},
		{10, 4, true, 0, []int{4, 4, 2}},
		{8, 4, true, 0, []int{4, 4}},
		{3, 8, true, 0, []int{3}},
		{10, 4, true, 3, []int{4, 4, 2}},
		{70, 30, true, 40, []int{30, 30, 10}},
	} {
		o := order{images: c.images, batch: c.batch, world: 1, keepTail: c.tail, window: c.window, views: 2}
		if o.steps() != len(c.rows) {
			t.Errorf("%+v: %d steps", c, o.steps())
		}
		for epoch := range 2 {
			seen := map[int]bool{}
			total := 0
			for i, rows := range c.rows {
				s := o.span(epoch*len(c.rows) + i)
				if s.rows != rows || s.epoch != uint64(epoch) {
					t.Errorf("%+v: batch %d of epoch %d has %d rows of epoch %d", c, i, epoch, s.rows, s.epoch)
				}
				for row := range s.rows {
					id, ok := o.image(&s, row, 0)
					if !ok {
						t.Fatal("no image at try 0")
					}
					seen[id] = true
					total++
				}
			}
			if len(seen) != total {
				t.Errorf("%+v: epoch %d has %d images in %d rows", c, epoch, len(seen), total)
			}
		}
	}
}

// The shares of all ranks are the rows of the batch, each once and in order, for a short tail too.
func TestSharesPartition(t *testing.T) {
	for _, world := range []int{1, 2, 4, 8} {
		for rows := range 9 {
			at := 0
			for rank := range world {
				o := order{rank: rank, world: world}
				from, to := o.share(&span{rows: rows})
				if from != at || to < from {
					t.Errorf("rank %d of %d has rows %d to %d of %d, want from %d", rank, world, from, to, rows, at)
				}
				at = to
			}
			if at != rows {
				t.Errorf("%d ranks end at row %d of %d", world, at, rows)
			}
		}
	}
}

// All images that any rows of a batch can ever try are different, and none but the first is of the batch: whichever of
// them are bad, no image can be its own negative.
func TestSubstitutesAreDisjoint(t *testing.T) {
	for _, c := range []struct{ images, batch int }{{100, 8}, {100, 64}, {17, 8}, {8, 8}, {9, 8}, {1000, 10}} {
		for _, o := range []order{{}, {sequential: true}, {window: c.images / 2}} {
			o.images, o.batch, o.world, o.seed, o.views = c.images, c.batch, 1, 5, 2
			for n := range 2 * o.steps() {
				s := o.span(n)
				seen := map[int]bool{}
				tries := 0
				for row := range s.rows {
					for try := 0; ; try++ {
						id, ok := o.image(&s, row, try)
						if !ok {
							break
						}
						if seen[id] {
							t.Fatalf("%+v: batch %d, row %d, try %d: image %d is taken", c, n, row, try, id)
						}
						seen[id] = true
						tries++
					}
				}
				if want := min(c.images, maxTries*c.batch); tries != want {
					t.Errorf("%+v: batch %d has %d tries, want %d", c, n, tries, want)
				}
			}
		}
	}
}

// With one view a row may fall back on its neighbours: it tries every image, or as many as allowed, none of them twice.
func TestSubstitutesWithoutNegatives(t *testing.T) {
	for _, c := range []struct{ images, batch int }{{5, 8}, {8, 8}, {20, 8}, {17, 16}, {100, 8}, {1000, 8}} {
		o := order{images: c.images, batch: c.batch, world: 1, views: 1, keepTail: true}
		for n := range o.steps() {
			s := o.span(n)
			for row := range s.rows {
				seen := map[int]bool{}
				for try := 0; ; try++ {
					id, ok := o.image(&s, row, try)
					if !ok {
						break
					}
					if seen[id] {
						t.Fatalf("%+v: batch %d, row %d, try %d: image %d is taken", c, n, row, try, id)
					}
					seen[id] = true
				}
				for r := range s.rows {
					if id, _ := o.image(&s, r, 0); !seen[id] && len(seen) < maxTries {
						t.Errorf("%+v: row %d never tries image %d of row %d", c, row, id, r)
					}
				}
			}
		}
	}
}

// Orders of ImageNet, for benchmarks.
var imageNetOrders = []order{
	{images: 1281167, batch: 256, world: 1, seed: 7, views: 2},
	{images: 1281167, batch: 256, world: 1, seed: 7, views: 2, window: 100_000},
}

// BenchmarkOrder measures what the image of one row costs.
func BenchmarkOrder(b *testing.B) {
	for _, o := range imageNetOrders {
		b.Run(fmt.Sprintf("window %d", o.window), func(b *testing.B) {
			b.ReportAllocs()
			s := o.span(100)
			for i := range b.N {
				o.image(&s, i%s.rows, 0)
			}
		})
	}
}

// BenchmarkSpan measures what it costs to begin a batch.
func BenchmarkSpan(b *testing.B) {
	for _, o := range imageNetOrders {
		b.Run(fmt.Sprintf("window %d", o.window), func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				o.span(i % o.steps())
			}
		})
	}
}
