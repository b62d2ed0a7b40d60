package datasets

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/goclr/goclr/pipeline"
)

// A listed is a Dataset of images that a list names, each an object of some store.
type listed struct {
	stores []Bucket // by member.object
	roots  []string // URLs of the stores, which keys begin with; "": keys are names there
	*listing
}

func (d *listed) Close() error { return errors.Join(closeAll(d.stores), d.listing.close()) }

func (d *listed) Read(ctx context.Context, i int, s *pipeline.Sample) error {
	m, label := d.at(i)
	s.Key, s.Label = d.sampleKey(m), label
	name := m.key
	if d.roots[m.object] != "" {
		_, name = splitStore(m.key)
	}
	return readWhole(ctx, s, d.stores[m.object], name, m)
}

// isDistant implements distant.
func (d *listed) isDistant() bool {
	return slices.ContainsFunc(d.stores, func(b Bucket) bool { _, local := b.(localBucket); return !local })
}

func closeAll(stores []Bucket) error {
	var errs []error
	for _, b := range stores {
		errs = append(errs, b.Close())
	}
	return errors.Join(errs...)
}

// openList opens the images that a text names, an object of a bucket; it owns both. Whether they are there turns out when they are read. The
// name is for messages.
func openList(ctx context.Context, b Bucket, text Object, name, split string, o Options) (Dataset, error) {
	l := &listReader{ctx: ctx, name: name, list: newLister(o), stores: []Bucket{b}, roots: []string{""}, places: map[string]int{}}
	l.list.numeric = true
	err := errors.Join(l.read(text), text.Close())
	if err != nil {
		return nil, errors.Join(err, l.list.close(), closeAll(l.stores))
	}
	x, err := l.list.finish(ctx, split)
	if errors.Is(err, errNoImages) {
		err = errors.New("no images: the list is empty")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), closeAll(l.stores))
	}
	return &listed{l.stores, l.roots, x}, nil
}

// A listReader collects what a list names.
type listReader struct {
	ctx    context.Context
	name   string // of the list
	list   *lister
	stores []Bucket       // the first is where the list lies
	roots  []string       // see listed
	places map[string]int // of stores, by what their objects begin with
}

// read adds a member for each line.
func (l *listReader) read(text Object) error {
	in := bufio.NewReaderSize(newSectionReader(l.ctx, text), 1<<20)
	for row, err := range readList(in) {
		if err == nil {
			err = l.add(row)
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", l.name, row.line, err)
		}
	}
	return nil
}

func (l *listReader) add(row listRow) error {
	m := member{key: row.path, class: classOf(row.label), split: row.split}
	switch {
	case isRemote(row.path):
		root, _ := splitStore(row.path)
		place, err := l.store(root, func() (Bucket, error) { return openURL(l.ctx, root) })
		if err != nil {
			return err
		}
		m.object = place
		return l.list.add(m)
	case path.IsAbs(row.path):
		place, err := l.store("", func() (Bucket, error) { return localBucket{"/"}, nil })
		if err != nil {
			return err
		}
		m.object = place
	}
	m.key = path.Clean(row.path)
	if _, local := l.stores[m.object].(localBucket); !local && strings.HasPrefix(m.key, "../") {
		return fmt.Errorf("%q leads out of the folder of the list: write the whole URL", row.path)
	}
	return l.list.add(m)
}

// store returns the place of a store among those of the list, and opens it when it is met for the first time.
func (l *listReader) store(root string, open func() (Bucket, error)) (place int, err error) {
	place, known := l.places[root]
	if known {
		return place, nil
	}
	b, err := open()
	if err != nil {
		return 0, err
	}
	l.stores, l.roots = append(l.stores, b), append(l.roots, root)
	l.places[root] = len(l.stores) - 1
	return l.places[root], nil
}

// splitStore returns the URL of the store that a URL leads to, and the object's name there. What follows "?" stays with the store.
func splitStore(name string) (root, object string) {
	name, query, asked := strings.Cut(name, "?")
	scheme, rest, _ := strings.Cut(name, "://")
	host, object, _ := strings.Cut(rest, "/")
	root = scheme + "://" + host + "/"
	if asked {
		root += "?" + query
	}
	return root, object
}
