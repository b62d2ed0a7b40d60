package datasets

import (
	"context"
	"errors"
	"sync"

	"github.com/goclr/goclr/datasets/internal/cache"
)

// mappedShards are shards of a cache that are mapped into memory: those in use, and of the others those that were used last.
type mappedShards struct {
	load  func(ctx context.Context, i int) (*mappedShard, error)
	limit int64 // bytes, above which shards go that are not in use

	mu    sync.Mutex
	open  map[int]*mappedShard
	size  int64 // of all that are open
	clock int64
	errs  []error // of closing, for close
}

// A mappedShard is one shard. Its mapping lasts as long as it has users, or is open.
type mappedShard struct {
	shards *shards // this shard alone, its rows numbered as in the data set
	file   *cache.File
	size   int64

	users int
	used  int64 // when it was released last
}

func (m *mappedShard) close() error { return errors.Join(m.shards.Close(), m.file.Close()) }

// acquire returns shard i, for release.
func (s *mappedShards) acquire(ctx context.Context, i int) (*mappedShard, error) {
	if m := s.join(i); m != nil {
		return m, nil
	}
	m, err := s.load(ctx, i) // several may do so at once: the cache fetches once, and one of them is kept
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.open[i]; other != nil {
		other.users++
		s.drop(m)
		return other, nil
	}
	m.users = 1
	s.open[i] = m
	s.size += m.size
	s.trim()
	return m, nil
}

func (s *mappedShards) join(i int) *mappedShard {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.open[i]
	if m != nil {
		m.users++
	}
	return m
}

// release ends a use.
func (s *mappedShards) release(m *mappedShard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.users--
	s.clock++
	m.used = s.clock
	s.trim()
}

// trim unmaps what was not used for the longest time. s.mu is held.
func (s *mappedShards) trim() {
	for s.size > s.limit {
		oldest := -1
		for i, m := range s.open {
			if m.users == 0 && (oldest < 0 || m.used < s.open[oldest].used) {
				oldest = i
			}
		}
		if oldest < 0 {
			return
		}
		m := s.open[oldest]
		delete(s.open, oldest)
		s.size -= m.size
		s.drop(m)
	}
}

// drop unmaps a shard. s.mu is held.
func (s *mappedShards) drop(m *mappedShard) {
	if err := m.close(); err != nil {
		s.errs = append(s.errs, err)
	}
}

// close unmaps all, of which none may be in use. It returns what went wrong with any.
func (s *mappedShards) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = -1
	s.trim()
	return errors.Join(s.errs...)
}
