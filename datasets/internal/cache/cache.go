// Package cache keeps whole objects of a remote store, such as shards, in a folder of the local disk, within a limit in bytes.
//
// Any number of goroutines and processes (of one user) use one folder at once, and each object is fetched once for all of them.
// A process that is killed at any moment leaves nothing that would be taken for an object, and who waits for what it was fetching
// takes over. The folder may be deleted while it is used, and it may be read-only once it is filled. What was not used for the
// longest time makes room for what is new.
//
// # The folder
//
//	KEY.object     a whole object, ready for use; its modification time is that of its last use
//	KEY.unsure     one from before the machine was started last, perhaps torn: it must pass Object.Check to be ready again
//	KEY.part       one that is being fetched, as long as the object from the beginning on, so that its place is counted
//	goclr-cache    names the start of the machine since which all that is called KEY.object was written or checked
//
// KEY is the SHA-256 of the object's size and ID in hexadecimal. Files of other names are never touched, nor counted.
//
// Who does what is told by locks (flock), which the system releases when a process ends in whatever way:
//
//	the folder     exclusive, for moments: while names change and while room is made
//	KEY.part       exclusive, by the process that fetches; a part without a lock is of a dead process, and goes when room is made
//	KEY.object     shared, by all who have it open
//
// # The limit
//
// The sizes of objects and parts together never exceed the limit; where processes open one folder with several limits, the
// largest. Objects that are open go last, and only by name: readers keep the bytes, and the system gives their place back when
// the last one closes or unmaps them. Until then it is beyond the limit, so the disk needs room for the limit and for what is open
// at once. Stats.EvictedOpen tells whether that has happened. Where the parts of others leave no room, Get waits for them: the limit
// should be several times what is fetched at once.
//
// # Crashes of the machine
//
// Nothing is synced, since all can be fetched again. What was written before the machine was started has to pass its check before it
// is used; without a check it is fetched again. Where the system does not name its starts, as Linux does, each Open counts as one.
package cache

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// Flags of the commands that open a cache, named in errors.
const (
	dirFlag   = "-cache-dir"
	limitFlag = "-cache-limit"
)

// Options say where a cache is, and how large.
type Options struct {
	// Dir is the folder, on a local disk. It is made where there is none. Other files in it stay as they are.
	Dir string
	// Limit is the number of bytes that objects may take in all.
	Limit int64
}

// A Cache holds objects in a folder. Many goroutines may use it at once. It needs no closing: nothing of it goes on between calls.
type Cache struct {
	dir     string
	limit   int64
	trusted atomic.Bool // all that is called .object was written or checked since the machine was started

	mu    sync.Mutex
	open  map[string]*entry // by key
	stats Stats
}

// Stats are counts since Open, for this process.
type Stats struct {
	Hits         int64 // Gets that fetched nothing
	Fetches      int64 // Gets that fetched an object
	FetchedBytes int64 // the sizes of those objects
	Evicted      int64 // objects removed to make room
	EvictedOpen  int64 // those among them that somebody had open, here or in another process
}

// An Object says which content is wanted.
type Object struct {
	// ID names the content, such as a URL with the entity tag that the store gives it: other content must have another ID. Errors
	// name it.
	ID string
	// Size is the number of bytes.
	Size int64
	// Check reads the content to its end and returns an error if it is not what it should be, going by its SHA-256 for example. It
	// is called on what was fetched, and on what is left from before the machine was started. The default is nil: the one is taken
	// as good, the other as bad.
	Check func(content io.Reader) error
	// Checked says that the Fetch checks what it writes, as it comes: Check is not called on that, which would read it all again.
	Checked bool
}

// key names the object's files.
func (o Object) key() string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%d %s", o.Size, o.ID)))
}

// check calls Check on content.
func (o Object) check(content io.ReaderAt) error {
	if o.Check == nil {
		return nil
	}
	return o.Check(io.NewSectionReader(content, 0, o.Size))
}

// A Fetch writes all bytes of an object to w: in any order, by several goroutines at once, and some of them again after an error.
// io.NewOffsetWriter makes an io.Writer of w. Errors of w are of the local disk, or tell of more bytes than the object's size; they
// are marked by retry.Permanent. A Fetch must not call Get, which might wait for room that the Fetch itself takes.
type Fetch func(ctx context.Context, w io.WriterAt) error

// Open opens a cache. It removes from the folder what dead processes left there and what is over the limit. It waits for moments
// while other processes change the folder; ctx ends that.
func Open(ctx context.Context, o Options) (*Cache, error) {
	if o.Dir == "" {
		return nil, fmt.Errorf("the cache has no folder: name one with %s", dirFlag)
	}
	if o.Limit <= 0 {
		return nil, fmt.Errorf("the cache %s may hold %d bytes, which is nothing: raise that with %s", o.Dir, o.Limit, limitFlag)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	c := &Cache{dir: dir, limit: o.Limit, open: map[string]*entry{}}
	f, unlock, err := c.lockFolder(ctx)
	if err != nil {
		return nil, err
	}
	defer f.close()
	defer unlock()
	if !c.trusted.Load() {
		return c, nil // the folder is read-only; what is in it can be used
	}
	if _, err := c.makeRoom(f, 0); err != nil && !isReadOnly(err) {
		return nil, err
	}
	return c, nil
}

// Stats returns the counts so far.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

func (c *Cache) count(add func(s *Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	add(&c.stats)
}

// An entry is an object that Gets of this process have open or wait for.
type entry struct {
	ready chan struct{} // closed when the next three are there
	file  *os.File
	err   error
	ended bool // err came with the end of the context of the Get that looked for the object

	users int // Gets that wait, and Files that are open; guarded by Cache.mu
}

// errUnfinished is what others are told where a panic, of Check or Fetch, ended the Get that they waited for.
var errUnfinished = errors.New("the goroutine that fetched it came to its end before it was done")

// Get opens an object. If the folder does not hold it, it is fetched first, and where another Get is fetching it, of this process or
// any, that one is waited for, and replaced if it does not finish. Get returns when ctx ends; others that wait for the same object go on.
// Errors wrap those of fetch and Check. A fetch that finds the disk full is called once more after objects of its size have been
// removed. A fetch whose folder is deleted under it succeeds, although nothing is kept.
//
// The File must be closed. Until then it stays readable, whatever becomes of the folder. To read ahead, call Get from goroutines of
// your own; a File that is closed at once leaves its object where the next Get finds it, unless more is fetched in between than fits.
func (c *Cache) Get(ctx context.Context, o Object, fetch Fetch) (*File, error) {
	switch {
	case o.ID == "" || o.Size < 0:
		return nil, fmt.Errorf("an object called %q of %d bytes was asked of the cache %s", o.ID, o.Size, c.dir)
	case o.Size > c.limit:
		return nil, fmt.Errorf("%s has %d bytes, more than the %d that the cache %s may hold in all: raise that with %s",
			o.ID, o.Size, c.limit, c.dir, limitFlag)
	}
	key := o.key()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e, first := c.join(key)
		if first {
			c.lead(ctx, key, e, o, fetch)
		} else {
			select {
			case <-e.ready:
			case <-ctx.Done():
				_ = c.leave(key, e) // this Get has read nothing
				return nil, ctx.Err()
			}
		}
		if e.err == nil {
			if !first {
				c.count(func(s *Stats) { s.Hits++ })
				c.touch(key)
			}
			return &File{cache: c, key: key, entry: e, size: o.Size}, nil
		}
		_ = c.leave(key, e) // there is no file
		if first || !e.ended {
			return nil, fmt.Errorf("%s: %w", o.ID, e.err)
		}
	}
}

// join adds a user to the entry of a key. The first one has to call lead.
func (c *Cache) join(key string) (e *entry, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e = c.open[key]
	if e == nil {
		e, first = &entry{ready: make(chan struct{})}, true
		c.open[key] = e
	}
	e.users++
	return e, first
}

// leave takes a user away, with whom the file is closed if it was the last.
func (c *Cache) leave(key string, e *entry) error {
	c.mu.Lock()
	e.users--
	last := e.users == 0
	c.mu.Unlock()
	if !last {
		return nil
	}
	c.forget(key, e)
	if e.file == nil {
		return nil
	}
	return e.file.Close()
}

// forget has the next Get look for the object anew.
func (c *Cache) forget(key string, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[key] == e {
		delete(c.open, key)
	}
}

// lead finds or fetches the object of an entry.
func (c *Cache) lead(ctx context.Context, key string, e *entry, o Object, fetch Fetch) {
	e.err = errUnfinished
	defer func() {
		if e.err != nil {
			e.ended = ctx.Err() != nil
			c.forget(key, e)
		}
		close(e.ready)
	}()
	e.file, e.err = c.load(ctx, key, o, fetch)
}
