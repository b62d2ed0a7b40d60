package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// load returns the object's file, locked as one that is in use, after fetching it if the folder does not hold it.
func (c *Cache) load(ctx context.Context, key string, o Object, fetch Fetch) (*os.File, error) {
	file, err := c.openReady(key, o.Size)
	if file == nil && err == nil {
		var p *partial
		err = await(ctx, longPause, func() (done bool, err error) {
			file, p, err = c.claim(ctx, key, o)
			return file != nil || p != nil, err
		})
		if p != nil {
			defer p.close()
			file, err = p.recheck(ctx)
			if file == nil && err == nil {
				return p.fetch(ctx, fetch)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	c.count(func(s *Stats) { s.Hits++ })
	c.touch(key)
	return file, nil
}

// openReady opens an object without the lock of the folder. It returns no file where claim has to look closer.
func (c *Cache) openReady(key string, size int64) (*os.File, error) {
	if !c.trusted.Load() {
		return nil, nil
	}
	return openWhole(os.Open, filepath.Join(c.dir, key+ready), size)
}

// openWhole opens an object and locks it as one that is in use. There is no file where it does not exist, has another size, or is being
// removed.
func openWhole(open func(name string) (*os.File, error), name string, size int64) (*os.File, error) {
	file, err := open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	locked := false
	if err == nil && info.Mode().IsRegular() && info.Size() == size {
		locked, err = tryLock(file, unix.LOCK_SH)
	}
	if !locked {
		file.Close()
		return nil, err
	}
	return file, nil
}

// claim returns the object's file, or what it takes to fetch the object, or neither while another process is at it.
func (c *Cache) claim(ctx context.Context, key string, o Object) (*os.File, *partial, error) {
	f, unlock, err := c.lockFolder(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	p := &partial{cache: c, folder: f, key: key, object: o}
	if c.trusted.Load() {
		file, err := openWhole(f.root.Open, key+ready, o.Size)
		if file != nil || err != nil {
			f.close()
			return file, nil, c.explain(err)
		}
	}
	p.file, err = f.lockPart(key)
	if p.file != nil {
		return nil, p, nil
	}
	defer f.close()
	unlock()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil // somebody deletes the folder at this moment
	}
	if isReadOnly(err) && o.Check != nil {
		// What is there may do.
		for _, name := range []string{key + ready, key + unsure} {
			if file, err := p.openChecked(name); file != nil && err == nil {
				return file, nil, nil
			}
		}
	}
	return nil, nil, c.explain(err)
}

// lockPart makes the part of a key, or takes that of a dead process, empty. There is no file while a live process has it.
func (f *folder) lockPart(key string) (*os.File, error) {
	file, err := f.root.OpenFile(key+part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	locked, err := tryLock(file, unix.LOCK_EX)
	if locked {
		err = file.Truncate(0)
	}
	if !locked || err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// touch notes that an object is in use now. Where that is not possible, it goes earlier than it might.
func (c *Cache) touch(key string) {
	_ = os.Chtimes(filepath.Join(c.dir, key+ready), time.Time{}, time.Now())
}
