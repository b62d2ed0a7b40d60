package datasets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
)

// A Bucket holds objects by name: the files of a folder, or what a cloud store has below a prefix. It is used by many goroutines
// at once.
type Bucket interface {
	// List yields all objects, each time in the same order, until an error ends it. Names are slash-separated and relative to
	// the bucket.
	List(ctx context.Context) iter.Seq2[ObjectInfo, error]
	// Open opens an object. The error wraps fs.ErrNotExist where there is none of that name.
	Open(ctx context.Context, name string) (Object, error)
	// Close releases the bucket; its objects are closed before.
	Close() error
}

// ObjectInfo is what a Bucket tells of an object without opening it.
type ObjectInfo struct {
	Name string
	Size int64 // bytes
}

// An Object is an open object of a Bucket, read at any place by many goroutines at once.
type Object interface {
	// ReadAt fills p with the bytes from offset on. It returns how many they were; fewer than len(p) come with an error, which is
	// io.EOF at the object's end.
	ReadAt(ctx context.Context, p []byte, offset int64) (int, error)
	// Size is the number of bytes when it was opened.
	Size() int64
	Close() error
}

var schemes = struct {
	sync.Mutex
	open map[string]func(ctx context.Context, url string) (Bucket, error)
}{open: map[string]func(ctx context.Context, url string) (Bucket, error){}}

// RegisterScheme has Open read datasets whose names begin with "scheme://". The function opens what lies below a URL, as a folder,
// whether or not there is anything. Call it in an init function; it panics if the scheme is taken. Package blob registers those of cloud
// stores.
func RegisterScheme(scheme string, open func(ctx context.Context, url string) (Bucket, error)) {
	schemes.Lock()
	defer schemes.Unlock()
	if _, taken := schemes.open[scheme]; taken {
		panic("datasets: two stores are called " + scheme)
	}
	schemes.open[scheme] = open
}

// isRemote reports whether a name is a URL.
func isRemote(name string) bool {
	scheme, _, ok := strings.Cut(name, "://")
	return ok && scheme != "" && !strings.ContainsAny(scheme, "/.")
}

// openURL opens what lies below a URL.
func openURL(ctx context.Context, name string) (Bucket, error) {
	scheme, _, _ := strings.Cut(name, "://")
	schemes.Lock()
	open, known := schemes.open[scheme], slices.Sorted(maps.Keys(schemes.open))
	schemes.Unlock()
	if open == nil && len(known) == 0 {
		return nil, fmt.Errorf("%s: this program reads local files only; a program that imports datasets/blob reads %s://", name, scheme)
	}
	if open == nil {
		return nil, fmt.Errorf("%s: no store is called %q: choose of %s", name, scheme, strings.Join(known, ", "))
	}
	b, err := open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

// splitURL returns the URL of the folder that a URL lies in, and its name there. What follows "?" stays with the folder.
func splitURL(name string) (folder, base string) {
	name, query, asked := strings.Cut(name, "?")
	scheme, rest, _ := strings.Cut(name, "://")
	rest = strings.TrimRight(rest, "/")
	folder, base = path.Split(rest)
	if folder == "" { // a whole bucket
		return "", ""
	}
	folder = scheme + "://" + folder
	if asked {
		folder += "?" + query
	}
	return folder, base
}

// readContent returns the bytes of an object that must not be larger than limit.
func readContent(ctx context.Context, o Object, name string, limit int64) ([]byte, error) {
	if o.Size() > limit {
		return nil, fmt.Errorf("%s: %d bytes, more than the %d allowed", name, o.Size(), limit)
	}
	content := make([]byte, o.Size())
	return content, readFull(ctx, o, content, 0)
}

// readFull fills p. An object that ends before has become shorter since it was opened.
func readFull(ctx context.Context, o Object, p []byte, offset int64) error {
	n, err := o.ReadAt(ctx, p, offset)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("it ends at byte %d of %d: %w", offset+int64(n), o.Size(), io.ErrUnexpectedEOF)
	}
	return err
}

// ignoreEnd takes io.EOF for success, after a read that filled all it was given.
func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// exists reports whether a bucket has an object.
func exists(ctx context.Context, b Bucket, name string) (bool, error) {
	o, err := b.Open(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, o.Close()
}

// A sectionReader reads an object from its start, as packages that know no contexts want it.
type sectionReader struct {
	*io.SectionReader
}

// newSectionReader returns a reader of an object that ends with ctx.
func newSectionReader(ctx context.Context, o Object) sectionReader {
	return sectionReader{io.NewSectionReader(readerAt{ctx, o}, 0, o.Size())}
}

type readerAt struct {
	ctx context.Context
	o   Object
}

func (r readerAt) ReadAt(p []byte, offset int64) (int, error) { return r.o.ReadAt(r.ctx, p, offset) }
