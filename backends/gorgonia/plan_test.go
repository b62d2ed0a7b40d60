package gorgonia

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/goclr/goclr/backends/gorgonia/internal/cpu"
	"github.com/goclr/goclr/backends/graph"
)

// randomLifetimes are lifetimes of up to n values among so many operators.
func randomLifetimes(r *rand.Rand, n, operators int) []*lifetime {
	var all []*lifetime
	for range 1 + r.IntN(n) {
		l := &lifetime{bytes: 1 + r.IntN(1000), first: r.IntN(operators)}
		l.last = min(operators, l.first+r.IntN(1+r.IntN(operators)))
		for range 1 + r.IntN(2) {
			l.values = append(l.values, &value{})
		}
		all = append(all, l)
	}
	return all
}

// alive is the largest sum of bytes that are needed at once.
func alive(all []*lifetime) int {
	largest := 0
	for _, at := range all {
		sum := 0
		for _, l := range all {
			if l.first <= at.first && at.first <= l.last {
				sum += aligned(l.bytes)
			}
		}
		largest = max(largest, sum)
	}
	return largest
}

// checkPlaces fails where two values that live at once overlap, or one lies outside.
func checkPlaces(t *testing.T, all []*lifetime, total int) {
	t.Helper()
	for i, a := range all {
		if a.offset() < 0 || a.offset()%alignment != 0 || a.offset()+a.bytes > total {
			t.Fatalf("%d bytes at %d of %d", a.bytes, a.offset(), total)
		}
		for _, v := range a.values {
			if v.offset != a.offset() {
				t.Fatal("values of one lifetime lie apart")
			}
		}
		for _, b := range all[:i] {
			together := a.first <= b.last && b.first <= a.last
			if together && a.offset() < b.offset()+b.bytes && b.offset() < a.offset()+a.bytes {
				t.Fatalf("[%d, %d] of %d bytes at %d overlaps [%d, %d] of %d bytes at %d",
					a.first, a.last, a.bytes, a.offset(), b.first, b.last, b.bytes, b.offset())
			}
		}
	}
}

// TestPlace places random lifetimes.
func TestPlace(t *testing.T) {
	worst := 1.0
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		all := randomLifetimes(r, 40, 1+r.IntN(30))
		total := place(all)
		checkPlaces(t, all, total)
		if least := alive(all); total < least {
			t.Fatalf("seed %d: %d bytes in all, but %d are needed at once", seed, total, least)
		} else {
			worst = max(worst, float64(total)/float64(least))
		}
	}
	t.Logf("at worst %.2f times what is needed at once", worst)
}

// TestPlaceChains places values each of which lives until the next is there: no byte is lost where sizes only fall, only grow, or
// take turns, as along a network.
func TestPlaceChains(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		sizes := make([]int, 1+r.IntN(30))
		for i := range sizes {
			sizes[i] = 1 + r.IntN(5000)
		}
		switch seed % 3 {
		case 0:
			slices.Sort(sizes)
		case 1:
			slices.Sort(sizes)
			slices.Reverse(sizes)
		default:
			for i := range sizes {
				sizes[i] = sizes[i%2%len(sizes)]
			}
		}
		var all []*lifetime
		for i, bytes := range sizes {
			all = append(all, &lifetime{values: []*value{{}}, bytes: bytes, first: i, last: i + 1})
		}
		total := place(all)
		checkPlaces(t, all, total)
		if want := alive(all); total != want {
			t.Fatalf("chain %v: %d bytes, want %d", sizes, total, want)
		}
	}
}

func TestPlaceNothing(t *testing.T) {
	if total := place(nil); total != 0 {
		t.Errorf("nothing takes %d bytes", total)
	}
}

// TestNoOperatorHarmsAnother plays each tape of a program: who wrote last where an operand or a result lies is who should have.
func TestNoOperatorHarmsAnother(t *testing.T) {
	for kind, plain := range map[string]bool{"vector": false, "plain": true} {
		for name, s := range map[string]*graph.Step{"small": smallStep(), "two norms": twoNorms()} {
			t.Run(kind+" "+name, func(t *testing.T) {
				b := newBackend(newCPU(t, cpu.Options{Threads: 1, Plain: plain}), "cpu", openOptions)
				defer closeTest(t, b)
				p := compileTest(t, b, s).(*program)
				if err := p.Backward(t.Context(), smallBatch(t, 1), make([]float32, s.Project.Size())); err != nil {
					t.Fatal(err)
				}
				for name, tape := range map[string]*tape{
					"train": p.train, "eval": p.eval, "project": p.project, "backward": p.sums.backward, "update": p.sums.update,
				} {
					if tape != nil {
						t.Run(name, func(t *testing.T) { playTape(t, tape) })
					}
				}
			})
		}
	}
}

// playTape marks memory with the values that lie there, a mark for each alignment bytes.
func playTape(t *testing.T, tape *tape) {
	owners := map[*arena]map[int]*value{}
	write := func(v *value) {
		if owners[v.memory] == nil {
			owners[v.memory] = map[int]*value{}
		}
		for i := 0; i < v.bytes; i += alignment {
			owners[v.memory][v.offset+i] = v
		}
	}
	read := func(v *value, who string) {
		for i := 0; i < v.bytes; i += alignment {
			if owners[v.memory][v.offset+i] != v {
				t.Fatalf("%s reads byte %d of a value of shape %v, which is overwritten by then", who, i, v.shape)
			}
		}
	}
	made := map[*value]bool{}
	for _, o := range tape.operators {
		made[o.result] = true
	}
	for _, o := range tape.operators {
		for _, v := range o.operands {
			if v != nil && !made[v] {
				write(v) // given
			}
		}
	}
	inPlace := 0
	for _, o := range tape.operators {
		for i, v := range o.operands {
			if v == nil {
				continue
			}
			read(v, o.String())
			if v.memory != o.result.memory || v.offset+v.bytes <= o.result.offset || o.result.offset+o.result.bytes <= v.offset {
				continue
			}
			if i != o.kernel.Overwrites-1 || v.offset != o.result.offset || v.bytes != o.result.bytes {
				t.Fatalf("%v writes over its operand %d", o, i)
			}
			inPlace++
		}
		if o.scratch != nil {
			write(o.scratch)
			for _, v := range o.operands {
				if v != nil {
					read(v, o.String()+" beside its scratch memory")
				}
			}
		}
		write(o.result)
		if o.scratch != nil && o.scratch.offset < o.result.offset+o.result.bytes && o.result.offset < o.scratch.offset+o.scratch.bytes &&
			o.scratch.memory == o.result.memory {
			t.Fatalf("the scratch memory of %v is its result", o)
		}
	}
	for _, v := range tape.results {
		read(v, "the program")
	}
	t.Logf("%d operators, %d of them in place", len(tape.operators), inPlace)
}
