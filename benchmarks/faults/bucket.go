package main

import (
	"context"
	"io"
	"io/fs"
	"iter"
	"strings"
	"sync"

	"github.com/goclr/goclr/datasets"
)

// buckets are those behind the URLs test://NAME/, by name.
var buckets sync.Map

func init() {
	datasets.RegisterScheme("test", func(_ context.Context, url string) (datasets.Bucket, error) {
		name, below, _ := strings.Cut(strings.TrimPrefix(url, "test://"), "/")
		b, ok := buckets.Load(name)
		if !ok {
			return nil, fs.ErrNotExist
		}
		bucket := *b.(*bucket)
		bucket.below = strings.TrimSuffix(below, "/")
		return &bucket, nil
	})
}

// A bucket is a store with what happens when its objects are read.
type bucket struct {
	objects fs.FS // by slash-separated names
	// reading is called before n bytes of an object are read, from many goroutines. Default nil: nothing happens.
	reading func(ctx context.Context, name string, offset int64, n int) error
	below   string // folder
}

// List implements datasets.Bucket.
func (b *bucket) List(context.Context) iter.Seq2[datasets.ObjectInfo, error] {
	return func(yield func(datasets.ObjectInfo, error) bool) {
		root := b.below
		if root == "" {
			root = "."
		}
		err := fs.WalkDir(b.objects, root, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			info, err := e.Info()
			if err == nil && !yield(datasets.ObjectInfo{Name: strings.TrimPrefix(strings.TrimPrefix(name, b.below), "/"), Size: info.Size()}, nil) {
				return fs.SkipAll
			}
			return err
		})
		if err != nil {
			yield(datasets.ObjectInfo{}, err)
		}
	}
}

// Open implements datasets.Bucket.
func (b *bucket) Open(_ context.Context, name string) (datasets.Object, error) {
	if b.below != "" {
		name = b.below + "/" + name
	}
	f, err := b.objects.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &object{f, name, info.Size(), b.reading}, nil
}

// Close implements datasets.Bucket.
func (*bucket) Close() error { return nil }

type object struct {
	file    fs.File
	name    string
	size    int64
	reading func(ctx context.Context, name string, offset int64, n int) error
}

// ReadAt implements datasets.Object.
func (o *object) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	if o.reading != nil {
		if err := o.reading(ctx, o.name, offset, len(p)); err != nil {
			return 0, err
		}
	}
	return o.file.(io.ReaderAt).ReadAt(p, offset)
}

// Size implements datasets.Object.
func (o *object) Size() int64 { return o.size }

// Close implements datasets.Object.
func (o *object) Close() error { return o.file.Close() }
