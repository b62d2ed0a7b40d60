package cache

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"
)

// makeRoom removes parts of dead processes, and objects until size more bytes fit under the limit. It reports whether they do: not
// where living processes fetch too much at this time. The folder is locked.
func (c *Cache) makeRoom(f *folder, size int64) (bool, error) {
	objects, parts, err := f.inventory()
	if err != nil {
		return false, err
	}
	if parts+size > c.limit {
		return false, nil
	}
	need := parts + size - c.limit
	for _, s := range objects {
		need += s.size
	}
	freed, err := c.evict(f, objects, need, false)
	if err == nil && freed < need {
		freed2, err2 := c.evict(f, objects, need-freed, true)
		freed, err = freed+freed2, err2
	}
	return freed >= need, err
}

// inventory returns the objects, the longest unused first, and the size of parts that are being fetched. It removes other parts. The
// folder is locked.
func (f *folder) inventory() (objects []stored, parts int64, err error) {
	list, err := f.list()
	if err != nil {
		return nil, 0, err
	}
	for _, s := range list {
		if !s.isPart() {
			objects = append(objects, s)
			continue
		}
		removed, err := f.removeIdle(s.name)
		if err != nil {
			return nil, 0, err
		}
		if !removed {
			parts += s.size
		}
	}
	slices.SortFunc(objects, func(a, b stored) int {
		return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.name, b.name))
	})
	return objects, parts, nil
}

// evict removes objects, those at the front of the list first, until that frees as many bytes as needed: either such as nobody has
// open, or any. It returns what it freed. The folder is locked.
func (c *Cache) evict(f *folder, objects []stored, need int64, anyone bool) (freed int64, err error) {
	for _, s := range objects {
		if freed >= need {
			break
		}
		removed := false
		if anyone {
			err = f.root.Remove(s.name)
			removed = err == nil
			if errors.Is(err, fs.ErrNotExist) { // by the first pass
				err = nil
			}
		} else {
			removed, err = f.removeIdle(s.name)
		}
		if err != nil {
			return freed, err
		}
		if removed {
			freed += s.size
			c.count(func(st *Stats) {
				st.Evicted++
				if anyone {
					st.EvictedOpen++
				}
			})
		}
	}
	return freed, nil
}

// removeIdle removes a file unless somebody holds a lock on it. The folder is locked.
func (f *folder) removeIdle(name string) (removed bool, err error) {
	file, err := f.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	locked, err := tryLock(file, unix.LOCK_EX)
	if !locked {
		return false, err
	}
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, nil
}

// freeDisk takes the part's room back and removes as much again of what nobody has open; the rest would free nothing. Where there
// is none of that, it returns the error that said that the disk is full.
func (p *partial) freeDisk(ctx context.Context, full error) error {
	err := p.file.Truncate(0)
	if err != nil {
		return p.cache.explain(err)
	}
	unlock, err := p.folder.lock(ctx)
	if err != nil {
		return p.cache.explain(err)
	}
	defer unlock()
	objects, _, err := p.folder.inventory()
	if err != nil {
		return p.cache.explain(err)
	}
	freed, err := p.cache.evict(p.folder, objects, p.object.Size, false)
	if err == nil && freed == 0 {
		return full
	}
	return p.cache.explain(err)
}
