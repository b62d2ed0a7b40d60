package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// mountDisk mounts a disk of its own, or skips the test.
func mountDisk(t *testing.T, kind, options string) string {
	dir := t.TempDir()
	if err := unix.Mount("cache", dir, kind, 0, options); err != nil {
		t.Skipf("a disk for the test cannot be mounted (only root may): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// readOnlyLater makes a folder, and says how to make it read-only: root writes whatever permissions say, so for root it is a disk.
func readOnlyLater(t *testing.T) (dir string, protect func() error) {
	if os.Geteuid() == 0 {
		dir = mountDisk(t, "tmpfs", "size=1M")
		return dir, func() error { return unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "") }
	}
	dir = t.TempDir()
	t.Cleanup(func() {
		if err := os.Chmod(dir, 0o755); err != nil { // so that it can be removed
			t.Error(err)
		}
	})
	return dir, func() error { return os.Chmod(dir, 0o555) }
}

func TestReadOnlyFolder(t *testing.T) {
	for name, boot := range map[string]string{"this boot": thisBoot(), "another boot": "another"} {
		t.Run(name, func(t *testing.T) {
			dir, protect := readOnlyLater(t)
			s := newStore()
			c := openCache(t, dir, 1000)
			o, unchecked, bad := object("o", 300), object("unchecked", 300), object("bad", 300)
			unchecked.Check = nil
			for _, o := range []Object{o, unchecked, bad} {
				s.use(t, c, o)
			}
			if boot != thisBoot() {
				writeFile(t, filepath.Join(dir, bad.key()+ready), make([]byte, 300))
				writeFile(t, filepath.Join(dir, bootFile), []byte(boot))
			}
			if err := protect(); err != nil {
				t.Fatal(err)
			}
			c = openCache(t, dir, 500) // less than there is
			for range 2 {
				if s.use(t, c, o) {
					t.Error("fetched although it is there")
				}
			}
			for _, o := range []Object{unchecked, bad, object("absent", 300)} {
				f, err := c.Get(t.Context(), o, func(_ context.Context, w io.WriterAt) error { return write(w, o) })
				if err == nil {
					wantContent(t, f, o)
					closeFile(t, f)
				}
				if there := o.ID != "absent" && boot == thisBoot(); there != (err == nil) {
					t.Errorf("%s: %v", o.ID, err)
				}
				if err != nil {
					wantError(t, err, o.ID, "cannot be written", dir, dirFlag)
				}
			}
			f := s.get(t, c, o)
			wantError(t, f.Reject(t.Context()), "cannot be written")
			closeFile(t, f)
			if _, err := Open(t.Context(), Options{Dir: filepath.Join(dir, "sub"), Limit: 1}); !isReadOnly(err) {
				t.Errorf("a folder was made: %v", err)
			}
		})
	}
}

// TestFullDiskOfItsOwn fills a disk that is smaller than the limit.
func TestFullDiskOfItsOwn(t *testing.T) {
	c := openCache(t, mountDisk(t, "tmpfs", "size=1M"), 1<<30)
	s := newStore()
	for i := range 10 {
		s.use(t, c, object(fmt.Sprint(i), 300<<10))
	}
	if got := c.Stats(); got.Evicted < 7 || got.EvictedOpen != 0 {
		t.Errorf("%+v", got)
	}
	large := object("large", 2<<20)
	_, err := c.Get(t.Context(), large, func(_ context.Context, w io.WriterAt) error { return write(w, large) })
	if !errors.Is(err, unix.ENOSPC) {
		t.Error(err)
	}
	wantError(t, err, "large", "full", limitFlag, dirFlag)
	if bytes, names := total(t, c); bytes > 1<<20 {
		t.Errorf("%d bytes are left in %q", bytes, names)
	}
	s.use(t, c, object("small", 300<<10))
}

// TestSimpleFileSystem uses a file system that cannot reserve room.
func TestSimpleFileSystem(t *testing.T) {
	dir := mountDisk(t, "ramfs", "")
	c := openCache(t, dir, 1000)
	o := object("o", 300)
	f, err := c.Get(t.Context(), o, func(_ context.Context, w io.WriterAt) error {
		if bytes, _ := total(t, c); bytes != o.Size {
			t.Errorf("%d bytes are counted of what is being fetched", bytes)
		}
		return write(w, o)
	})
	if err != nil {
		t.Fatal(err)
	}
	wantContent(t, f, o)
	closeFile(t, f)
}
