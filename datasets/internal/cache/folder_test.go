package cache

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func writeFile(t testing.TB, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestForeignFilesStay fills a folder with what resembles the cache's files, and makes it full.
func TestForeignFilesStay(t *testing.T) {
	dir := t.TempDir()
	key := object("x", 1).key()
	foreign := []string{"notes.txt", "a.object", "b.part", key, strings.ToUpper(key) + ready, key + ".partial", key + "0" + ready}
	for _, name := range foreign {
		writeFile(t, filepath.Join(dir, name), make([]byte, 500))
	}
	folders := []string{object("folder", 1).key() + ready, object("folder", 2).key() + part}
	for _, name := range folders {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	target := filepath.Join(t.TempDir(), "target")
	writeFile(t, target, make([]byte, 500))
	link := object("link", 500).key() + ready
	if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
		t.Fatal(err)
	}
	s := newStore()
	c := openCache(t, dir, 300)
	for _, id := range []string{"a", "b", "c"} {
		s.use(t, c, object(id, 200))
	}
	for _, name := range append(append(foreign, folders...), link) {
		if !exists(c, name) {
			t.Errorf("%s is gone", name)
		}
	}
	if bytes, names := total(t, c); bytes != 200 {
		t.Errorf("%d bytes in %q", bytes, names)
	}
}

// TestLeftovers puts parts of dead processes and of a living one into the folder.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	c := openCache(t, dir, 1000)
	s := newStore()
	dead, again, living := object("dead", 900), object("again", 600), object("living", 300)
	f, err := c.Get(t.Context(), living, func(ctx context.Context, w io.WriterAt) error {
		for _, o := range []Object{dead, again} {
			writeFile(t, filepath.Join(dir, o.key()+part), make([]byte, o.Size))
		}
		if !s.use(t, c, again) {
			t.Error("a part was taken for an object")
		}
		if exists(c, dead.key()+part) || exists(c, again.key()+part) {
			t.Error("a Get leaves the part of a dead process")
		}
		writeFile(t, filepath.Join(dir, dead.key()+part), make([]byte, dead.Size))
		openCache(t, dir, 1000)
		if exists(c, dead.key()+part) || !exists(c, living.key()+part) {
			t.Error("Open leaves the part of a dead process, or removes that of a living one")
		}
		return write(w, living)
	})
	if err != nil {
		t.Fatal(err)
	}
	wantContent(t, f, living)
	closeFile(t, f)
	if s.use(t, c, living) {
		t.Error("what was fetched is not there")
	}
}

func TestWrongSizeIsFetchedAgain(t *testing.T) {
	c := openCache(t, t.TempDir(), 1000)
	s := newStore()
	o := object("o", 300)
	s.use(t, c, o)
	for _, size := range []int64{0, 299, 301} {
		if err := os.Truncate(filepath.Join(c.dir, o.key()+ready), size); err != nil {
			t.Fatal(err)
		}
		if !s.use(t, c, o) {
			t.Errorf("a file of %d bytes was taken for one of 300", size)
		}
	}
}

// TestNextBoot starts the machine anew, as far as the cache can see, after a crash that has spoilt some files.
func TestNextBoot(t *testing.T) {
	dir := t.TempDir()
	good, zeros, short, unchecked, late := object("good", 100), object("zeros", 100), object("short", 100), object("unchecked", 100), object("late", 100)
	unchecked.Check = nil
	s := newStore()
	c := openCache(t, dir, 1000)
	for _, o := range []Object{good, zeros, short, unchecked} {
		s.use(t, c, o)
	}
	writeFile(t, filepath.Join(dir, zeros.key()+ready), make([]byte, 100))
	writeFile(t, filepath.Join(dir, short.key()+ready), make([]byte, 50))
	writeFile(t, filepath.Join(dir, late.key()+part), make([]byte, 100))
	for boot, name := range []string{"another", "", "torn na"} {
		writeFile(t, filepath.Join(dir, bootFile), []byte(name))
		c = openCache(t, dir, 1000)
		for _, x := range []struct {
			o       Object
			fetched bool
		}{
			{good, false}, {zeros, boot == 0}, {short, boot == 0}, {unchecked, true}, {late, boot == 0},
			{good, false}, {zeros, false}, {short, false}, {unchecked, false}, {late, false},
		} {
			if fetched := s.use(t, c, x.o); fetched != x.fetched {
				t.Errorf("boot %d, %s: fetched %v", boot, x.o.ID, fetched)
			}
		}
		if bytes, names := total(t, c); bytes != 500 || strings.Contains(strings.Join(names, " "), unsure) {
			t.Errorf("boot %d: %d bytes in %q", boot, bytes, names)
		}
	}
}

// TestChecksAreForTheNextBoot makes sure that what this boot has seen written is not read again for nothing.
func TestChecksAreForTheNextBoot(t *testing.T) {
	dir := t.TempDir()
	o := object("o", 100)
	checks, check := 0, o.Check
	o.Check = func(r io.Reader) error { checks++; return check(r) }
	s := newStore()
	for range 3 {
		s.use(t, openCache(t, dir, 1000), o)
	}
	if checks != 1 {
		t.Errorf("checked %d times", checks)
	}
	writeFile(t, filepath.Join(dir, bootFile), nil)
	for range 3 {
		s.use(t, openCache(t, dir, 1000), o)
	}
	if checks != 2 {
		t.Errorf("checked %d times", checks)
	}
}

// TestFolderIsDeleted deletes the folder, or what is in it, between Gets and within one, and has another process begin anew there.
func TestFolderIsDeleted(t *testing.T) {
	whole := func(t *testing.T, dir string) {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	files := func(t *testing.T, dir string) {
		names, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, remove := range map[string]func(t *testing.T, dir string){"whole": whole, "files": files} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a", "b")
			c := openCache(t, dir, 1000)
			s := newStore()
			o := object("o", 300)
			f := s.get(t, c, o)
			remove(t, dir)
			wantContent(t, f, o)
			closeFile(t, f)
			if !s.use(t, c, o) || s.use(t, c, o) {
				t.Error("not fetched again, once")
			}
			if !exists(c, bootFile) {
				t.Error("the next Open will not trust what is in the new folder")
			}

			remove(t, dir)
			f, err := c.Get(t.Context(), o, func(_ context.Context, w io.WriterAt) error {
				remove(t, dir)
				return write(w, o)
			})
			if err != nil {
				t.Fatal(err)
			}
			wantContent(t, f, o)
			closeFile(t, f)

			// Another fetches the same at the same time, under the same name: its part must not be taken for the one of this Get.
			inner := make(chan struct{})
			var wg sync.WaitGroup
			remove(t, dir)
			f, err = c.Get(t.Context(), o, func(_ context.Context, w io.WriterAt) error {
				remove(t, dir)
				other := openCache(t, dir, 1000)
				began := make(chan struct{})
				wg.Go(func() {
					f, err := other.Get(t.Context(), o, func(_ context.Context, w io.WriterAt) error {
						close(began)
						<-inner
						return write(w, o)
					})
					if err != nil {
						t.Error(err)
						return
					}
					wantContent(t, f, o)
					closeFile(t, f)
				})
				<-began
				return write(w, o)
			})
			if err != nil {
				t.Fatal(err)
			}
			if exists(c, o.key()+ready) {
				t.Error("a part that is being written has become the object")
			}
			close(inner)
			wg.Wait()
			wantContent(t, f, o)
			closeFile(t, f)
			if s.use(t, c, o) {
				t.Error("the object of the other is not there")
			}
		})
	}
}

// TestFolderIsReplaced puts another folder in the place of the one whose lock a Get waits for.
func TestFolderIsReplaced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	c := openCache(t, dir, 1000)
	f, unlock, err := c.lockFolder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	own := len(openIn(dir))
	if own == 0 {
		t.Skip("the system does not tell what is open")
	}
	s := newStore()
	var wg sync.WaitGroup
	wg.Go(func() { s.use(t, c, object("o", 300)) })
	for len(openIn(dir)) < own+2 {
		runtime.Gosched()
	}
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	unlock()
	wg.Wait()
	if s.use(t, c, object("o", 300)) {
		t.Error("the object went to the old folder")
	}
}

// TestFolderIsLocked makes sure that waiting for a process that stands still while it has the folder ends with the context.
func TestFolderIsLocked(t *testing.T) {
	c := openCache(t, t.TempDir(), 1000)
	f, unlock, err := c.lockFolder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := c.Get(ctx, object("o", 1), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Get: %v", err)
	}
	if _, err := Open(ctx, Options{Dir: c.dir, Limit: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Open: %v", err)
	}
	unlock()
	newStore().use(t, c, object("o", 1))
}

// TestFullDisk has Fetch come to the end of the disk.
func TestFullDisk(t *testing.T) {
	full := &os.PathError{Op: "write", Path: "part", Err: unix.ENOSPC}
	o := object("o", 300)
	run := func(t *testing.T, failures int) (c *Cache, calls int, err error) {
		c = openCache(t, t.TempDir(), 2000)
		s := newStore()
		for _, id := range []string{"a", "b", "c"} {
			s.use(t, c, object(id, 200))
		}
		f, err := c.Get(t.Context(), o, func(_ context.Context, w io.WriterAt) error {
			if calls++; calls <= failures {
				return full
			}
			return write(w, o)
		})
		if err == nil {
			wantContent(t, f, o)
			closeFile(t, f)
		}
		return c, calls, err
	}
	t.Run("until others went", func(t *testing.T) {
		c, calls, err := run(t, 1)
		if err != nil || calls != 2 {
			t.Errorf("%d calls, %v", calls, err)
		}
		if bytes, _ := total(t, c); bytes != 500 || c.Stats().Evicted != 2 || !exists(c, object("c", 200).key()+ready) {
			t.Errorf("%d bytes are there, %+v", bytes, c.Stats())
		}
	})
	t.Run("all the same", func(t *testing.T) {
		c, calls, err := run(t, 2)
		if !errors.Is(err, unix.ENOSPC) || calls != 2 {
			t.Errorf("%d calls, %v", calls, err)
		}
		if bytes, _ := total(t, c); bytes != 200 {
			t.Errorf("%d bytes are there", bytes)
		}
	})
	t.Run("at the limit", func(t *testing.T) {
		c := openCache(t, t.TempDir(), 500)
		newStore().use(t, c, object("a", 200))
		var earlier io.WriterAt
		f, err := c.Get(t.Context(), o, func(_ context.Context, w io.WriterAt) error {
			if earlier == nil {
				earlier = w
				return errors.Join(write(w, o), full)
			}
			if err := write(w, o); err != nil {
				return err
			}
			if _, err := earlier.WriteAt(make([]byte, 300), 0); err == nil {
				t.Error("the Fetch before this one can still write")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wantContent(t, f, o)
		closeFile(t, f)
	})
	t.Run("with nothing to remove", func(t *testing.T) {
		c := openCache(t, t.TempDir(), 2000)
		calls := 0
		_, err := c.Get(t.Context(), o, func(context.Context, io.WriterAt) error { calls++; return full })
		if !errors.Is(err, unix.ENOSPC) || calls != 1 {
			t.Errorf("%d calls, %v", calls, err)
		}
	})
}
