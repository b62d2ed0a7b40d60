package datasets

import (
	"context"
	"errors"
	"fmt"
	"path"
)

// openFolder opens what a bucket holds, which it owns: shards, one of the published sets, or images. The name is for messages.
func openFolder(ctx context.Context, b Bucket, name, split string, o Options) (Dataset, error) {
	d, err := openContent(ctx, b, split, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), b.Close())
	}
	return d, nil
}

func openContent(ctx context.Context, b Bucket, split string, o Options) (Dataset, error) {
	g := newGatherer(o)
	_, local := b.(localBucket)
	g.sniffer.learns = !local
	var archives, tables []string
	for info, err := range b.List(ctx) {
		var image bool
		if err == nil {
			image, err = g.sniffer.isImage(info.Name, func() ([]byte, error) { return headOfFile(ctx, b, info.Name) })
		}
		switch {
		case err != nil:
		case image:
			err = g.list.add(member{key: info.Name, size: info.Size})
		case isTable(info.Name):
			tables = append(tables, info.Name)
		case kindOfName(info.Name).isArchive():
			archives = append(archives, info.Name)
		default:
			g.others.add(info.Name)
		}
		if err != nil {
			return nil, errors.Join(err, g.list.close())
		}
	}
	open := g.opener(ctx, b, split, archives, tables, o)
	if open != nil {
		if err := g.list.close(); err != nil {
			return nil, err
		}
		return open()
	}
	x, err := g.finish(ctx, split)
	if err != nil {
		return nil, err
	}
	return &collection{bucket: b, listing: x}, nil
}

// opener returns how to open what a bucket holds other than images; nil if it is images.
func (g *gatherer) opener(ctx context.Context, b Bucket, split string, archives, tables []string, o Options) func() (Dataset, error) {
	set, dir := findPublished(g.others.first)
	switch {
	case set != nil:
		return func() (Dataset, error) {
			return set.open(ctx, split, func(ctx context.Context, name string) (Object, error) { return b.Open(ctx, path.Join(dir, name)) }, b.Close)
		}
	case g.list.records.len() > 0:
	case len(tables) > 0:
		return func() (Dataset, error) { return openTables(ctx, b, tables, true, split, o) }
	case len(archives) > 0:
		return func() (Dataset, error) { return openArchives(ctx, b, archives, split, o) }
	}
	return nil
}

// headOfFile returns the first bytes of an object of a bucket.
func headOfFile(ctx context.Context, b Bucket, name string) (head []byte, err error) {
	o, err := b.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	return headOf(ctx, o, 0, o.Size())
}
