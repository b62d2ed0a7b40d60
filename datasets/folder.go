package datasets

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// imageExtensions are those of the formats that stages.Decode reads.
var imageExtensions = []string{".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff"}

func isImage(name string) bool {
	return slices.Contains(imageExtensions, strings.ToLower(path.Ext(name)))
}

// openFolder opens what a bucket holds, which it owns: shards, one of the published sets, or images. The name is for messages.
func openFolder(ctx context.Context, b Bucket, name, split string, o Options) (Dataset, error) {
	d, err := openContent(ctx, b, split, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), b.Close())
	}
	return d, nil
}

func openContent(ctx context.Context, b Bucket, split string, o Options) (Dataset, error) {
	l := newLister(o.TempDir)
	l.byFolder = true
	others := &otherFiles{kinds: map[string]int{}}
	var tables []string
	for info, err := range b.List(ctx) {
		switch {
		case err != nil:
		case isImage(info.Name):
			err = l.add(member{key: info.Name, size: info.Size})
		case isTable(info.Name):
			tables = append(tables, info.Name)
		default:
			others.add(info.Name)
		}
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	if layout, dir := findCIFAR(others.first); layout != nil {
		return openCIFARIn(ctx, layout, b, dir, split, l)
	}
	if len(tables) > 0 && l.records.len() == 0 {
		if err := l.close(); err != nil {
			return nil, err
		}
		return openTables(ctx, b, tables, true, split, o)
	}
	x, err := l.finish(ctx, split)
	if errors.Is(err, errNoImages) {
		err = others.explain()
	}
	if err != nil {
		return nil, err
	}
	return &collection{bucket: b, listing: x}, nil
}

// openCIFARIn opens a published set that lies in a folder of a bucket, both of which it owns then.
func openCIFARIn(ctx context.Context, layout *cifarLayout, b Bucket, dir, split string, l *lister) (Dataset, error) {
	d, err := openCIFAR(ctx, layout, split, func(name string) ([]byte, error) {
		return readObject(ctx, b, path.Join(dir, name), mostCIFAR)
	})
	if err := errors.Join(err, l.close()); err != nil {
		return nil, err
	}
	return d, b.Close()
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
	f.kinds[strings.ToLower(path.Ext(name))]++
}

// explain is the error of a dataset that has no images.
func (f *otherFiles) explain() error {
	if len(f.kinds) == 0 {
		return errNoImages
	}
	kinds := slices.Sorted(maps.Keys(f.kinds))
	return fmt.Errorf("no images: its files end in %q; images end in %s",
		kinds[:min(len(kinds), 5)], strings.Join(imageExtensions, ", "))
}
