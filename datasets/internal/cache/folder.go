package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goclr/goclr/datasets/internal/retry"
)

// What follows the key in the names of files, see the package comment.
const (
	ready  = ".object"
	unsure = ".unsure"
	part   = ".part"
)

// ownFiles are the names of objects and parts.
var ownFiles = regexp.MustCompile(`^[0-9a-f]{64}\.(object|unsure|part)$`)

// A folder is one that was opened: unlike its path it stays the same when another is put in its place.
type folder struct {
	root *os.Root
}

// lockFolder opens the folder of the cache, makes it where there is none, and locks it. What is called .object there is ready for use
// then, if c.trusted.
func (c *Cache) lockFolder(ctx context.Context) (f *folder, unlock func(), err error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		if err := os.MkdirAll(c.dir, 0o755); errors.Is(err, fs.ErrExist) && !isOther(c.dir) {
			continue // made and deleted by others at this moment
		} else if err != nil {
			return nil, nil, fmt.Errorf("make the folder of the cache: %w; name another with %s", err, dirFlag)
		}
		root, err := os.OpenRoot(c.dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted at this moment
		}
		if err != nil {
			return nil, nil, c.explain(err)
		}
		f := &folder{root}
		unlock, err := f.lock(ctx)
		if err == nil && f.isAt(c.dir) {
			err = c.begin(f)
			if err == nil {
				return f, unlock, nil
			}
		}
		if unlock != nil {
			unlock()
		}
		f.close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // or else it was deleted at this moment
			return nil, nil, c.explain(err)
		}
	}
}

// isOther reports whether a path is that of something that is no folder.
func isOther(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && !info.IsDir()
}

func (f *folder) close() { f.root.Close() }

// lock waits until no other holds the lock of the folder.
func (f *folder) lock(ctx context.Context) (unlock func(), err error) {
	dir, err := f.root.Open(".")
	if err != nil {
		return nil, err
	}
	err = await(ctx, shortPause, func() (bool, error) { return tryLock(dir, unix.LOCK_EX) })
	if err != nil {
		dir.Close()
		return nil, err
	}
	return func() { dir.Close() }, nil
}

// isAt reports whether the folder is what a path leads to.
func (f *folder) isAt(path string) bool {
	own, err1 := f.root.Stat(".")
	there, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(own, there)
}

// holds reports whether a name in the folder is that of an open file.
func (f *folder) holds(name string, file *os.File) bool {
	own, err1 := file.Stat()
	there, err2 := f.root.Lstat(name)
	return err1 == nil && err2 == nil && os.SameFile(own, there)
}

// A stored file is one of the cache's own, as the folder lists it.
type stored struct {
	name string
	size int64
	used time.Time
}

func (s stored) isPart() bool { return strings.HasSuffix(s.name, part) }

// list returns the cache's files. The folder is locked.
func (f *folder) list() ([]stored, error) {
	dir, err := f.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it was deleted
		return nil, err
	}
	var list []stored
	for _, name := range names {
		if !ownFiles.MatchString(name) {
			continue
		}
		info, err := f.root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted by somebody else
		}
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() {
			list = append(list, stored{name, info.Size(), info.ModTime()})
		}
	}
	return list, nil
}

// tryLock takes a lock on a file, until it is closed, if nobody holds one that excludes it.
func tryLock(file *os.File, kind int) (bool, error) {
	err := unix.Flock(int(file.Fd()), kind|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", file.Name(), err)
	}
	return true, nil
}

// Pauses of await: for what takes moments, and for what takes as long as fetching an object.
const (
	shortPause = 2 * time.Millisecond
	longPause  = 50 * time.Millisecond
)

// await calls try until it is done, with pauses that grow up to the longest.
func await(ctx context.Context, longest time.Duration, try func() (done bool, err error)) error {
	for pause := time.Millisecond / 4; ; pause = min(2*pause, longest) {
		if done, err := try(); done || err != nil {
			return err
		}
		if err := retry.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func isReadOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS)
}

func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// explain says what to do about an error of the folder.
func (c *Cache) explain(err error) error {
	switch {
	case isReadOnly(err):
		return fmt.Errorf("the cache %s cannot be written: %w; name another folder with %s", c.dir, err, dirFlag)
	case isFull(err):
		return fmt.Errorf("the disk of the cache %s is full: %w; free some of it, name a folder elsewhere with %s, or lower the limit with %s",
			c.dir, err, dirFlag, limitFlag)
	case errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOTSUP):
		return fmt.Errorf("the cache %s: %w; name a folder on a local disk with %s", c.dir, err, dirFlag)
	}
	return err
}
