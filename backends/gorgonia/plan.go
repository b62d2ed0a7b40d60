package gorgonia

import (
	"cmp"
	"slices"
)

// alignment of values in an arena, in bytes.
const alignment = 64

// A lifetime is the operators, from first to last by their index, while which values need their memory: one value, or several that
// take each other's place.
type lifetime struct {
	values      []*value
	bytes       int
	first, last int
}

func (l *lifetime) offset() int { return l.values[0].offset }

// place gives each value its offset such that no two that live at the same time overlap, and returns the bytes needed in all: the
// largest first, each where it just fits (greedy by size, Pisarchyk and Lee 2020).
func place(lifetimes []*lifetime) int {
	order := slices.Clone(lifetimes)
	slices.SortStableFunc(order, func(a, b *lifetime) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.first, b.first))
	})
	var placed []*lifetime // by offset
	total := 0
	for _, l := range order {
		size := aligned(l.bytes)
		best, smallest, end := -1, 0, 0
		for _, p := range placed {
			if p.last < l.first || l.last < p.first {
				continue
			}
			if gap := p.offset() - end; gap >= size && (best < 0 || gap < smallest) {
				best, smallest = end, gap
			}
			end = max(end, p.offset()+aligned(p.bytes))
		}
		if best < 0 {
			best = end
		}
		for _, v := range l.values {
			v.offset = best
		}
		total = max(total, best+size)
		at, _ := slices.BinarySearchFunc(placed, best, func(p *lifetime, offset int) int { return cmp.Compare(p.offset(), offset) })
		placed = slices.Insert(placed, at, l)
	}
	return total
}

func aligned(bytes int) int { return (bytes + alignment - 1) / alignment * alignment }
