package datasets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// A gatherer tells images from other files, in a folder or in archives, and lists them.
type gatherer struct {
	list    *lister
	sniffer sniffer
	others  otherFiles
}

func newGatherer(o Options) *gatherer {
	g := &gatherer{list: newLister(o), others: otherFiles{kinds: map[string]int{}}}
	g.list.byFolder = true
	return g
}

// finish makes the listing of a split, as lister.finish does.
func (g *gatherer) finish(ctx context.Context, split string) (*listing, error) {
	x, err := g.list.finish(ctx, split)
	if errors.Is(err, errNoImages) {
		err = g.others.explain()
	}
	return x, err
}

// otherFiles are the files of a folder or archive that are no images.
type otherFiles struct {
	first []string       // names of the first, among which those of published sets would be
	kinds map[string]int // by extension
}

// mostOthers is more files than a published set has.
const mostOthers = 100

func (f *otherFiles) add(name string) {
	if len(f.first) < mostOthers {
		f.first = append(f.first, name)
	}
	if ext := extension(name); len(f.kinds) < mostTallies || f.kinds[ext] > 0 {
		f.kinds[ext]++
	}
}

// explain is the error of a dataset that has no images.
func (f *otherFiles) explain() error {
	if len(f.kinds) == 0 {
		return errNoImages
	}
	kinds := slices.Sorted(maps.Keys(f.kinds))
	return fmt.Errorf("no images: its files end in %q; images end in %s, or begin as such files do",
		kinds[:min(len(kinds), 5)], strings.Join(imageExtensions, ", "))
}

// headOf returns the first bytes of a part of an object.
func headOf(ctx context.Context, o Object, offset, size int64) ([]byte, error) {
	b := make([]byte, min(size, sniffBytes))
	n, err := o.ReadAt(ctx, b, offset)
	return b[:n], ignoreEnd(err)
}

// A partObject is a part of an object, which stays open when the part is closed.
type partObject struct {
	whole        Object
	offset, size int64
}

func (o *partObject) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	return io.NewSectionReader(readerAt{ctx, o.whole}, o.offset, o.size).ReadAt(p, offset)
}

func (o *partObject) Size() int64  { return o.size }
func (o *partObject) Close() error { return nil }
