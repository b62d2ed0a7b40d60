package near

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

func silent(int, int) {}

// random are hashes that have nothing to do with each other.
func random(r *rand.Rand, n int) []uint64 {
	list := make([]uint64, n)
	for i := range list {
		list[i] = r.Uint64()
	}
	return list
}

// clustered are hashes around a few others, some of them the same.
func clustered(r *rand.Rand, n, most int) []uint64 {
	centres := random(r, n/10+1)
	list := make([]uint64, n)
	for i := range list {
		list[i] = centres[r.IntN(len(centres))]
		for range r.IntN(most + 1) {
			list[i] ^= 1 << r.IntN(64)
		}
	}
	return list
}

// alike are hashes that differ in their lowest bits only, so that they meet in most passes.
func alike(n int) []uint64 {
	list := make([]uint64, n)
	for i := range list {
		list[i] = uint64(i * i)
	}
	return list
}

// allPairs compares all with all.
func allPairs(hashes []uint64, distance int) (list [][2]int) {
	for b := range hashes {
		for a := range b {
			if bits.OnesCount64(hashes[a]^hashes[b]) <= distance {
				list = append(list, [2]int{a, b})
			}
		}
	}
	return list
}

func byPlace(a, b [2]int) int { return slices.Compare(a[:], b[:]) }

// TestPairs finds the pairs that a comparison of all with all finds, each once.
func TestPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	found := 0
	for distance := range MaxDistance + 1 {
		for _, n := range []int{0, 1, 2, 3, 100, 700} {
			for name, hashes := range map[string][]uint64{"random": random(r, n), "clustered": clustered(r, n, distance), "alike": alike(n),
				"the same": make([]uint64, min(n, 50))} {
				want := allPairs(hashes, distance)
				var got [][2]int
				if err := Pairs(t.Context(), hashes, distance, silent, func(a, b int) { got = append(got, [2]int{a, b}) }); err != nil {
					t.Fatal(err)
				}
				slices.SortFunc(got, byPlace)
				slices.SortFunc(want, byPlace)
				if !slices.Equal(got, want) {
					t.Errorf("%d %s hashes, distance %d: %d pairs, want %d", n, name, distance, len(got), len(want))
				}
				found += len(want)
			}
		}
	}
	t.Logf("%d pairs", found)
}

// TestPlans covers every plan that there can be: whatever two hashes differ in, they meet in just one pass that counts.
func TestPlans(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	seen := map[int]bool{}
	for distance := range MaxDistance + 1 {
		for _, n := range []int{1, 1000, 30_000, 1_000_000, 100_000_000, 4_000_000_000} {
			p := newPlan(n, distance)
			seen[p.common] = true
			var all uint64
			for _, band := range p.bands {
				if all&band != 0 || band == 0 {
					t.Fatalf("n %d, distance %d: bands %x", n, distance, p.bands)
				}
				all |= band
			}
			if all != 1<<64-1 || len(p.bands) != distance+p.common {
				t.Errorf("n %d, distance %d: bands %x, %d in common", n, distance, p.bands, p.common)
			}
			masks := p.masks()
			for range 50 {
				var differ uint64
				for range distance {
					differ |= 1 << r.IntN(64)
				}
				met := 0
				for _, mask := range masks {
					if differ&mask == 0 && p.meeting(differ) == mask {
						met++
					}
				}
				if met != 1 {
					t.Errorf("n %d, distance %d: hashes that differ in %x meet in %d passes that count", n, distance, differ, met)
				}
			}
		}
	}
	if len(seen) < 4 {
		t.Errorf("bands in common: %v; the sizes above do not cover all", seen)
	}
}

// TestPairsComparesFew: of unrelated hashes only few meet.
func TestPairsComparesFew(t *testing.T) {
	const n = 50_000
	hashes := random(rand.New(rand.NewPCG(5, 6)), n)
	buckets := newBuckets(n)
	meet := 0
	masks := newPlan(n, 4).masks()
	for _, mask := range masks {
		buckets.fill(hashes, mask)
		for b := range buckets.ends {
			k := len(buckets.bucket(b))
			meet += k * (k - 1) / 2
		}
	}
	if all := n * (n - 1) / 2; meet > all/100 {
		t.Errorf("%d comparisons in %d passes, of %d pairs", meet, len(masks), all)
	}
}

// TestPairsStops: where all hashes meet, the context is looked at between comparisons, not only between passes.
func TestPairsStops(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	calls := 0
	err := Pairs(ctx, make([]uint64, 20_000), 4, silent, func(int, int) {
		if calls++; calls == 1 {
			cancel(stop)
		}
	})
	if !errors.Is(err, stop) || calls > 2*checkEvery {
		t.Errorf("%v after %d pairs", err, calls)
	}
}

func TestPairsProgress(t *testing.T) {
	var told []string
	if err := Pairs(t.Context(), random(rand.New(rand.NewPCG(7, 8)), 3), 2, func(done, total int) { told = append(told, fmt.Sprint(done, "/", total)) },
		func(int, int) {}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"0/3", "1/3", "2/3", "3/3"}; !slices.Equal(told, want) {
		t.Errorf("%q, want %q", told, want)
	}
}

// connected groups all images by looking at all pairs until nothing changes.
func connected(hashes []uint64, images []uint32, distance int) (groups [][]uint32) {
	name := map[uint32]uint32{}
	for _, i := range images {
		name[i] = i
	}
	for changed := true; changed; {
		changed = false
		for _, a := range images {
			for _, b := range images {
				if bits.OnesCount64(hashes[a]^hashes[b]) <= distance && name[a] < name[b] {
					name[b], changed = name[a], true
				}
			}
		}
	}
	members := map[uint32][]uint32{}
	for _, i := range images {
		members[name[i]] = append(members[name[i]], i)
	}
	groups = [][]uint32{}
	for _, g := range members {
		if len(g) > 1 {
			slices.Sort(g)
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b []uint32) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return int(a[0]) - int(b[0])
	})
	return groups
}

func TestGroups(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, distance := range []int{0, 1, 4, 9} {
		for _, n := range []int{0, 1, 2, 50, 300} {
			for name, hashes := range map[string][]uint64{"random": random(r, n), "clustered": clustered(r, n, 4), "alike": alike(n), "the same": make([]uint64, n)} {
				var images []uint32 // every seventh is bad, and they come in any order
				for _, i := range r.Perm(n) {
					if i%7 != 3 {
						images = append(images, uint32(i))
					}
				}
				want := connected(hashes, images, distance)
				got, err := Groups(t.Context(), hashes, images, distance, silent)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%d %s hashes, distance %d: %v, %v, want %v", n, name, distance, got, err, want)
				}
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Groups(ctx, []uint64{1, 2}, []uint32{0, 1}, 4, silent); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// TestGroupsOfMany: a million images of two pictures take no time, though they are 10^11 pairs.
func TestGroupsOfMany(t *testing.T) {
	const n = 1_000_000
	hashes, images := make([]uint64, n), make([]uint32, n)
	for i := range images {
		hashes[i], images[i] = uint64(i%2)*0xFFFFFFFF, uint32(i)
	}
	groups, err := Groups(t.Context(), hashes, images, 4, silent)
	if err != nil || len(groups) != 2 || len(groups[0]) != n/2 || groups[0][1] != 2 || groups[1][1] != 3 {
		t.Errorf("%d groups, %v", len(groups), err)
	}
}
