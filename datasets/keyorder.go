package datasets

import (
	"cmp"
	"container/heap"
	"context"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/goclr/goclr/pipeline"
)

// keyID is the number that says where an image stands among all in shards, by its key alone.
func keyID(key string) uint64 {
	d := newDigest("key")
	d.text(key)
	return binary.BigEndian.Uint64(d.h.Sum(nil))
}

// A keyOrder is the images of a dataset in the order of their keyIDs, cut into shards by equal parts of the numbers that these can be. So
// each shard is a random sample of the dataset, whatever order that is in, and which images it has does not depend on others.
type keyOrder struct {
	src     Dataset
	ids     *spool // 8 bytes for each image
	shards  int
	starts  []int    // of each shard in images, and their number
	images  []uint32 // of the source, by shard
	samples []uint32 // the images that stand first
}

// keySamples is the number of images that stand for all.
const keySamples = 512

// newKeyOrder asks for all keys of a dataset, and tells how many it has.
func newKeyOrder(ctx context.Context, src Dataset, tempDir string, tell func(done, total int)) (_ *keyOrder, err error) {
	o := &keyOrder{src: src, ids: newSpool(tempDir)}
	defer func() {
		if err != nil {
			o.close()
		}
	}()
	s := pipeline.NewSample(ctx, pipeline.Key{})
	var first largestFirst
	for i := range src.Len() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		tell(i, src.Len())
		if err := describe(ctx, src, i, s); err != nil {
			s.Key = "" // it will be bad when it is read
		}
		id := keyID(s.Key)
		if err := o.ids.append(binary.LittleEndian.AppendUint64(nil, id)...); err != nil {
			return nil, err
		}
		switch p := (placed{id, uint32(i)}); {
		case len(first) < keySamples:
			heap.Push(&first, p)
		case first[0].compare(p) > 0:
			first[0] = p
			heap.Fix(&first, 0)
		}
	}
	slices.SortFunc(first, placed.compare)
	for _, p := range first {
		o.samples = append(o.samples, p.image)
	}
	return o, o.ids.seal()
}

// A placed image has the number that says where it stands.
type placed struct {
	id    uint64
	image uint32
}

func (p placed) compare(q placed) int {
	return cmp.Or(cmp.Compare(p.id, q.id), cmp.Compare(p.image, q.image))
}

// largestFirst is a heap.
type largestFirst []placed

func (h largestFirst) Len() int           { return len(h) }
func (h largestFirst) Less(i, j int) bool { return h[i].compare(h[j]) > 0 }
func (h largestFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *largestFirst) Push(x any)        { *h = append(*h, x.(placed)) }
func (h *largestFirst) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func (o *keyOrder) id(i uint32) uint64 { return binary.LittleEndian.Uint64(o.ids.sealed[8*int(i):]) }

// shardOf is the shard of an id.
func (o *keyOrder) shardOf(id uint64) int {
	shard, _ := bits.Mul64(id, uint64(o.shards))
	return int(shard)
}

// cut divides the images among a number of shards.
func (o *keyOrder) cut(shards int) {
	o.shards = shards
	n := uint32(o.src.Len())
	o.starts = make([]int, shards+1)
	for i := range n {
		o.starts[o.shardOf(o.id(i))+1]++
	}
	for k := range shards {
		o.starts[k+1] += o.starts[k]
	}
	next := slices.Clone(o.starts)
	o.images = make([]uint32, n)
	for i := range n {
		k := o.shardOf(o.id(i))
		o.images[next[k]] = i
		next[k]++
	}
}

// shard returns the images of a shard in their order. Those with equal ids are in the order of the source.
func (o *keyOrder) shard(k int) []uint32 {
	images := o.images[o.starts[k]:o.starts[k+1]]
	slices.SortFunc(images, func(a, b uint32) int { return placed{o.id(a), a}.compare(placed{o.id(b), b}) })
	return images
}

func (o *keyOrder) close() error { return o.ids.close() }
