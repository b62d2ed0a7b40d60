package blob

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"strings"

	"gocloud.dev/blob"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/datasets/internal/retry"
)

// A bucket is what lies below a prefix of a store.
type bucket struct {
	store    *blob.Bucket
	scheme   string
	url      string // without options, ending in a slash
	prefix   string // of names, ending in a slash; "": all
	patience patience
	plan     plan
}

// List implements datasets.Bucket: names ascend by their bytes.
func (b *bucket) List(ctx context.Context) iter.Seq2[datasets.ObjectInfo, error] {
	return func(yield func(datasets.ObjectInfo, error) bool) {
		b.list(ctx, func(p page) bool {
			if p.err != nil {
				return yield(datasets.ObjectInfo{}, b.explain("", p.err))
			}
			for _, o := range p.objects {
				if !isFolder(o.Name) && !isHidden(o.Name) && !yield(o, nil) {
					return false
				}
			}
			return true
		})
	}
}

// page returns some objects, and where those after them begin.
func (b *bucket) page(ctx context.Context, token []byte, what *blob.ListOptions) (page []*blob.ListObject, next []byte, err error) {
	what.BeforeList = once
	err = retry.Do(ctx, b.patience.policy, func(ctx context.Context) error {
		w := b.patience.watch(ctx)
		defer w.end()
		page, next, err = b.store.ListPage(w.ctx, token, b.plan.page, what)
		return judge(w.cause(err))
	})
	return page, next, err
}

// isFolder reports whether an object stands for a folder, as some programs make them.
func isFolder(name string) bool { return name == "" || strings.HasSuffix(name, "/") }

func isHidden(name string) bool { return strings.HasPrefix(name, ".") || strings.Contains(name, "/.") }

// Open implements datasets.Bucket.
func (b *bucket) Open(ctx context.Context, name string) (datasets.Object, error) {
	o := &object{bucket: b, name: name}
	err := retry.Do(ctx, b.patience.policy, func(ctx context.Context) error {
		s, err := o.request(ctx, 0, -1)
		if err != nil {
			return err
		}
		o.stream, o.size, o.version = s, s.reader.Size(), versionOf(s.reader)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, b.explain(name, err)
	}
	if err != nil {
		return nil, b.blame(name, err)
	}
	return o, nil
}

// Close implements datasets.Bucket.
func (b *bucket) Close() error { return b.store.Close() }
