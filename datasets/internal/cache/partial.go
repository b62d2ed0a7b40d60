package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// A partial is the right to fetch an object, which one process has at a time: the locked part, and later the object's file.
type partial struct {
	cache  *Cache
	folder *folder
	key    string
	object Object
	file   *os.File // nil when it has become the object's
}

// close gives the right back. The part takes no room then; who makes room next removes its name.
func (p *partial) close() {
	defer p.folder.close()
	if p.file != nil {
		_ = p.file.Truncate(0) // it counts until it is removed if that fails
		p.file.Close()
	}
}

// openChecked opens an object that may be torn, if its check says that it is not.
func (p *partial) openChecked(name string) (*os.File, error) {
	file, err := openWhole(p.folder.root.Open, name, p.object.Size)
	if file == nil || err != nil {
		return nil, err
	}
	if err := p.object.check(file); err != nil {
		file.Close()
		return nil, nil
	}
	return file, nil
}

// recheck makes an unsure object ready, or removes it.
func (p *partial) recheck(ctx context.Context) (file *os.File, err error) {
	name := p.key + unsure
	if _, err := p.folder.root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if p.object.Check != nil {
		if file, err = p.openChecked(name); err != nil {
			return nil, err
		}
	}
	unlock, err := p.folder.lock(ctx)
	if err == nil {
		defer unlock()
		if file == nil {
			err = p.folder.root.Remove(name)
		} else {
			err = p.folder.root.Rename(name, p.key+ready)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // or else it was removed to make room
		if file != nil {
			file.Close()
		}
		return nil, p.cache.explain(err)
	}
	return file, nil
}

// fetch fills the part and makes it the object.
func (p *partial) fetch(ctx context.Context, fetch Fetch) (*os.File, error) {
	err := p.fill(ctx, fetch)
	if isFull(err) {
		if err = p.freeDisk(ctx, err); err == nil {
			err = p.fill(ctx, fetch)
		}
	}
	if err == nil {
		err = p.publish(ctx)
	}
	if err != nil {
		return nil, err
	}
	file := p.file
	p.file = nil
	return file, nil
}

// fill waits for room, and has the content written and checked.
func (p *partial) fill(ctx context.Context, fetch Fetch) error {
	err := await(ctx, longPause, func() (bool, error) {
		unlock, err := p.folder.lock(ctx)
		if err != nil {
			return false, err
		}
		defer unlock()
		room, err := p.cache.makeRoom(p.folder, p.object.Size)
		if !room || err != nil {
			return false, err
		}
		return true, allocate(p.file, p.object.Size)
	})
	if err != nil {
		return p.cache.explain(err)
	}
	w := &extents{file: p.file, size: p.object.Size, explain: p.cache.explain}
	if err := w.run(ctx, fetch); err != nil {
		return err
	}
	if p.object.Checked {
		return nil
	}
	if err := p.object.check(p.file); err != nil {
		return fmt.Errorf("what was fetched is not right: %w", err)
	}
	return nil
}

// publish makes the part the object, unless its name is gone: then somebody has deleted the folder.
func (p *partial) publish(ctx context.Context) error {
	unlock, err := p.folder.lock(ctx)
	if err != nil {
		return p.cache.explain(err)
	}
	defer unlock()
	if p.folder.holds(p.key+part, p.file) {
		// Once it has its name others open it, and those who make room see by the lock that it is in use.
		_, err = tryLock(p.file, unix.LOCK_SH)
		if err == nil {
			err = p.folder.root.Rename(p.key+part, p.key+ready)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return p.cache.explain(err)
		}
		p.cache.touch(p.key)
	}
	p.cache.count(func(s *Stats) { s.Fetches++; s.FetchedBytes += p.object.Size })
	return nil
}
