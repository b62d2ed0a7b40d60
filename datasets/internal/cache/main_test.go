package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if child := os.Getenv(childEnv); child != "" {
		runChild(child)
		return
	}
	goleak.VerifyTestMain(m)
}

// content is what an object of this ID holds.
func content(o Object) []byte {
	b := make([]byte, o.Size)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(o.ID))).Read(b) // it never fails
	return b
}

var errOtherBytes = errors.New("other bytes")

// object returns an object whose check knows its content.
func object(id string, size int64) Object {
	o := Object{ID: id, Size: size}
	o.Check = func(r io.Reader) error {
		got, err := io.ReadAll(r)
		if err == nil && !bytes.Equal(got, content(o)) {
			err = errOtherBytes
		}
		return err
	}
	return o
}

// A store is the place that objects come from.
type store struct{ fetches map[string]int }

func newStore() *store { return &store{map[string]int{}} }

// get gets an object that one goroutine asks for.
func (s *store) get(t testing.TB, c *Cache, o Object) *File {
	t.Helper()
	f, err := c.Get(t.Context(), o, func(_ context.Context, w io.WriterAt) error {
		s.fetches[o.ID]++
		return write(w, o)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	wantContent(t, f, o)
	return f
}

// use gets an object and closes it. It reports whether that fetched it.
func (s *store) use(t testing.TB, c *Cache, o Object) (fetched bool) {
	t.Helper()
	before := s.fetches[o.ID]
	closeFile(t, s.get(t, c, o))
	return s.fetches[o.ID] > before
}

// write writes an object in three pieces, the last one first.
func write(w io.WriterAt, o Object) error {
	b := content(o)
	for _, cut := range [][2]int{{2 * len(b) / 3, len(b)}, {0, len(b) / 3}, {len(b) / 3, 2 * len(b) / 3}} {
		if _, err := w.WriteAt(b[cut[0]:cut[1]], int64(cut[0])); err != nil {
			return err
		}
	}
	return nil
}

func wantContent(t testing.TB, f *File, o Object) {
	t.Helper()
	if err := compareContent(f, o); err != nil {
		t.Error(err)
	}
}

func compareContent(f *File, o Object) error {
	got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()+1))
	if err != nil {
		return fmt.Errorf("%s: %w", o.ID, err)
	}
	if !bytes.Equal(got, content(o)) {
		return fmt.Errorf("%s has other bytes", o.ID)
	}
	return nil
}

func closeFile(t testing.TB, f *File) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// openCache opens a cache that must leave no file open at the end of the test.
func openCache(t testing.TB, dir string, limit int64) *Cache {
	t.Helper()
	c, err := Open(t.Context(), Options{Dir: dir, Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if len(c.open) != 0 {
			t.Errorf("%d objects are still open", len(c.open))
		}
		if files := openIn(dir); len(files) != 0 {
			t.Errorf("still open: %q", files)
		}
	})
	return c
}

// openIn lists what this process has open in a folder, the folder included, where the system tells: on Linux.
func openIn(dir string) (files []string) {
	descriptors, _ := filepath.Glob("/proc/self/fd/*")
	for _, d := range descriptors {
		if file, _ := os.Readlink(d); strings.HasPrefix(file+"/", dir+"/") {
			files = append(files, file)
		}
	}
	return files
}

// eachStored visits the cache's files as those see them that make room.
func eachStored(t testing.TB, c *Cache, visit func(f *folder, s stored)) {
	t.Helper()
	f, unlock, err := c.lockFolder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	defer unlock()
	list, err := f.list()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		visit(f, s)
	}
}

// total is the size of the cache's files.
func total(t testing.TB, c *Cache) (bytes int64, names []string) {
	t.Helper()
	eachStored(t, c, func(_ *folder, s stored) {
		bytes += s.size
		names = append(names, s.name)
	})
	return bytes, names
}

func exists(c *Cache, name string) bool {
	_, err := os.Lstat(filepath.Join(c.dir, name))
	return err == nil
}
