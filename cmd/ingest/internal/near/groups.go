package near

import (
	"cmp"
	"context"
	"slices"
)

// Groups returns the images that have a near duplicate: those whose hashes differ in at most distance bits are in one group, and so are
// those that others connect, so that two images of a group may be further apart. hashes[i] is the hash of image i; images are those to look
// at, which it sorts as it likes. Each group is in order, the largest group first, and of equally large ones that with the lowest image. It tells
// progress as Pairs does. Beside what it is given it holds some 24 bytes for each image. The error is that of ctx.
func Groups(ctx context.Context, hashes []uint64, images []uint32, distance int, progress func(done, total int)) ([][]uint32, error) {
	slices.SortFunc(images, func(a, b uint32) int { return cmp.Or(cmp.Compare(hashes[a], hashes[b]), cmp.Compare(a, b)) })
	var different []uint64
	var begins []uint32 // of the images with each
	for i, image := range images {
		if i == 0 || hashes[image] != hashes[images[i-1]] {
			different = append(different, hashes[image])
			begins = append(begins, uint32(i))
		}
	}
	begins = append(begins, uint32(len(images)))
	f := newForest(len(different))
	if err := Pairs(ctx, different, distance, progress, f.join); err != nil {
		return nil, err
	}

	sizes := make([]uint32, len(different)) // of each tree, at its root
	for i := range different {
		sizes[f.root(i)] += begins[i+1] - begins[i]
	}
	groups := make([][]uint32, 0)
	place := make([]uint32, len(different)) // of the group, at the root
	for i, n := range sizes {
		if n > 1 {
			place[i] = uint32(len(groups))
			groups = append(groups, make([]uint32, 0, n))
		}
	}
	for i := range different {
		if root := f.root(i); sizes[root] > 1 {
			g := &groups[place[root]]
			*g = append(*g, images[begins[i]:begins[i+1]]...)
		}
	}
	for _, g := range groups {
		slices.Sort(g)
	}
	slices.SortFunc(groups, func(a, b []uint32) int { return cmp.Or(len(b)-len(a), cmp.Compare(a[0], b[0])) })
	return groups, nil
}

// A forest joins things: those in one tree are connected. It holds the parent of each; a root is its own.
type forest []uint32

func newForest(n int) forest {
	f := make(forest, n)
	for i := range f {
		f[i] = uint32(i)
	}
	return f
}

// root finds the root of a thing's tree, and shortens the way.
func (f forest) root(i int) uint32 {
	at := uint32(i)
	for f[at] != at {
		f[at] = f[f[at]]
		at = f[at]
	}
	return at
}

func (f forest) join(a, b int) {
	x, y := f.root(a), f.root(b)
	f[max(x, y)] = min(x, y)
}
