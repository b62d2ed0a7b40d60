//go:build cgo

package kernel

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/sourcegraph/conc"
)

// A product is one kernel run: small ones have fewer tasks than a team has threads.
type product struct {
	m, n, k int
	a, b    guarded
	want    []uint32
}

func products(t *testing.T) []product {
	r := rand.New(rand.NewPCG(5, 6))
	k := alone(t, Fastest())
	var all []product
	for _, s := range [][3]int{{1, 1, 1}, {3, 5, 7}, {64, 64, 16}, {130, 70, 40}, {257, 130, 65}} {
		p := product{m: s[0], n: s[1], k: s[2], a: randomly(r, s[0]*s[2]), b: randomly(r, s[2]*s[1])}
		p.want = p.on(t, k)
		all = append(all, p)
	}
	return all
}

// on computes the product.
func (p product) on(t *testing.T, k *Kernels) []uint32 {
	out := newGuarded(p.m * p.n)
	if err := k.Matmul(p.m, p.n, p.k, p.a.pointer(), false, p.b.pointer(), false, out.pointer()); err != nil {
		t.Error(err)
	}
	return bits(out.numbers())
}

// TestSharedTeam has several goroutines run kernels on one team: each gets the bits of a thread alone.
func TestSharedTeam(t *testing.T) {
	all := products(t)
	runs := 300
	if testing.Short() {
		runs = 50
	}
	for threads := 1; threads <= 5; threads++ {
		for _, spin := range []time.Duration{0, time.Microsecond, 200 * time.Microsecond} {
			t.Run(fmt.Sprintf("%d threads, %v", threads, spin), func(t *testing.T) {
				team, err := NewTeam(threads, spin)
				if err != nil {
					t.Fatal(err)
				}
				defer team.Close()
				k := NewKernels(Fastest(), team)
				var wg conc.WaitGroup
				for g := range 3 {
					wg.Go(func() {
						r := rand.New(rand.NewPCG(uint64(g), 7))
						for range runs / 3 {
							p := all[r.IntN(len(all))]
							if !slices.Equal(p.on(t, k), p.want) {
								t.Errorf("a product of %dx%dx%d differs", p.m, p.n, p.k)
								return
							}
							if r.IntN(20) == 0 {
								time.Sleep(time.Duration(r.IntN(300)) * time.Microsecond) // let the team fall asleep
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}

// TestCloseTeam closes teams whose threads look out, sleep, or have only begun: their goroutines end.
func TestCloseTeam(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, spin := range []time.Duration{0, 50 * time.Microsecond, time.Hour} {
		for _, wait := range []time.Duration{0, time.Millisecond} {
			for threads := 1; threads <= 4; threads++ {
				team, err := NewTeam(threads, spin)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(wait)
				team.Close()
			}
		}
	}
	for runtime.NumGoroutine() > before { // a goroutine is counted a little longer than it is waited for
		time.Sleep(10 * time.Millisecond)
	}
}
