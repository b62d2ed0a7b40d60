package cache

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// awaitUsers waits until so many Gets of a cache want an object.
func awaitUsers(c *Cache, o Object, n int) {
	for users := 0; users < n; runtime.Gosched() {
		c.mu.Lock()
		if e := c.open[o.key()]; e != nil {
			users = e.users
		}
		c.mu.Unlock()
	}
}

func TestConcurrentGetsFetchOnce(t *testing.T) {
	c := openCache(t, t.TempDir(), 1000)
	o := object("o", 300)
	const gets = 20
	var fetches atomic.Int32
	var wg sync.WaitGroup
	for range gets {
		wg.Go(func() {
			f, err := c.Get(t.Context(), o, func(_ context.Context, w io.WriterAt) error {
				fetches.Add(1)
				awaitUsers(c, o, gets)
				return write(w, o)
			})
			if err != nil {
				t.Error(err)
				return
			}
			wantContent(t, f, o)
			closeFile(t, f)
		})
	}
	wg.Wait()
	if n := fetches.Load(); n != 1 || len(c.open) != 0 {
		t.Errorf("%d fetches, %d entries left", n, len(c.open))
	}
	if got := c.Stats(); got.Hits != gets-1 || got.Fetches != 1 {
		t.Errorf("%+v", got)
	}
}

func TestCancelledWaiterLeavesAlone(t *testing.T) {
	c := openCache(t, t.TempDir(), 1000)
	o := object("o", 300)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	f, err := c.Get(t.Context(), o, func(_ context.Context, w io.WriterAt) error {
		wg.Go(func() {
			if _, err := c.Get(ctx, o, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("the waiter got %v", err)
			}
		})
		awaitUsers(c, o, 2)
		cancel()
		wg.Wait()
		return write(w, o)
	})
	if err != nil {
		t.Fatal(err)
	}
	wantContent(t, f, o)
	closeFile(t, f)
	if len(c.open) != 0 {
		t.Errorf("%d entries left", len(c.open))
	}
	if _, err := c.Get(ctx, o, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a Get with an ended context got %v", err)
	}
}

// TestWaiterTakesOver ends the Get that fetches in several ways: those that wait go on, and the object is fetched if that may help.
func TestWaiterTakesOver(t *testing.T) {
	broken := errors.New("broken pipe")
	for name, x := range map[string]struct {
		end  func(cancel func()) error
		want error // of the waiter
	}{
		"cancelled": {func(cancel func()) error { cancel(); return context.Canceled }, nil},
		"failed":    {func(func()) error { return broken }, broken},
		"panicked":  {func(func()) error { panic(broken) }, errUnfinished},
		"exited":    {func(func()) error { runtime.Goexit(); return nil }, errUnfinished},
	} {
		t.Run(name, func(t *testing.T) {
			c := openCache(t, t.TempDir(), 1000)
			o := object("o", 300)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			began := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				defer func() { _ = recover() }()
				f, err := c.Get(ctx, o, func(_ context.Context, w io.WriterAt) error {
					close(began)
					awaitUsers(c, o, 2)
					return x.end(cancel)
				})
				if err == nil {
					t.Error("no error")
					closeFile(t, f)
				}
			})
			<-began
			fetch := func(_ context.Context, w io.WriterAt) error { return write(w, o) }
			f, err := c.Get(t.Context(), o, fetch)
			if !errors.Is(err, x.want) {
				t.Errorf("the waiter got %v", err)
			}
			wg.Wait()
			if err != nil {
				if f, err = c.Get(t.Context(), o, fetch); err != nil {
					t.Fatal(err)
				}
			}
			wantContent(t, f, o)
			closeFile(t, f)
			if bytes, names := total(t, c); bytes != 300 || len(names) != 1 {
				t.Errorf("%d bytes in %q", bytes, names)
			}
		})
	}
}

// TestRoomIsWaitedFor has an object fetched that does not fit beside another that is being fetched.
func TestRoomIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	c, other := openCache(t, dir, 1000), openCache(t, dir, 1000)
	a, b, idle := object("a", 600), object("b", 600), object("idle", 100)
	newStore().use(t, c, idle)
	var done atomic.Bool
	var wg sync.WaitGroup
	f, err := c.Get(t.Context(), a, func(_ context.Context, w io.WriterAt) error {
		wg.Go(func() {
			f, err := other.Get(t.Context(), b, func(_ context.Context, w io.WriterAt) error {
				if !done.Load() {
					t.Error("fetches although there is no room")
				}
				return write(w, b)
			})
			if err != nil {
				t.Error(err)
				return
			}
			wantContent(t, f, b)
			closeFile(t, f)
		})
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			_, err := other.Get(ctx, object("c", 700), func(ctx context.Context, _ io.WriterAt) error {
				if ctx.Err() == nil {
					t.Error("fetches although there is no room")
				}
				return ctx.Err() // where the end of the context and the room that a leaves come at once
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("waits for room: %v", err)
			}
		})
		awaitUsers(other, b, 1)
		awaitUsers(other, object("c", 700), 1)
		for range 20 {
			if bytes, _ := total(t, c); bytes > 1000 {
				t.Errorf("%d bytes", bytes)
			}
		}
		if !exists(c, idle.key()+ready) {
			t.Error("an object went although that makes no room")
		}
		cancel()
		defer done.Store(true)
		return write(w, a)
	})
	if err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	wantContent(t, f, a)
	closeFile(t, f)
}

// TestRandomUse has goroutines use one folder through two caches, at random: they are cancelled, fetch what is wrong, reject what is
// right and delete the folder. No byte may be wrong and the folder never over its limit.
func TestRandomUse(t *testing.T) {
	const limit = 400 << 10
	uses := 150
	if testing.Short() {
		uses = 50
	}
	dir := filepath.Join(t.TempDir(), "cache")
	caches := []*Cache{openCache(t, dir, limit), openCache(t, dir, limit)}
	errWrong := errors.New("wrong on purpose")
	var wg, watch sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	watch.Go(func() {
		for ctx.Err() == nil {
			if bytes, names := total(t, caches[0]); bytes > limit {
				t.Errorf("%d bytes are there: %q", bytes, names)
			}
			time.Sleep(time.Millisecond)
		}
	})
	for g := range 6 {
		random := rand.New(rand.NewPCG(7, uint64(g)))
		wg.Go(func() {
			for range uses {
				c, o := caches[random.IntN(len(caches))], childObject(random.IntN(childIDs))
				what := random.IntN(20)
				ctx, cancel := context.WithCancelCause(t.Context())
				f, err := c.Get(ctx, o, func(_ context.Context, w io.WriterAt) error {
					runtime.Gosched()
					switch what {
					case 0:
						cancel(errWrong)
						return ctx.Err()
					case 1:
						return errWrong
					case 2:
						if _, err := w.WriteAt(make([]byte, o.Size), 0); err != nil {
							return err
						}
						return nil // the check sees it
					case 3:
						if err := os.RemoveAll(dir); err != nil && !errors.Is(err, unix.ENOTEMPTY) {
							t.Error(err)
						}
					}
					return write(w, o)
				})
				cancel(nil)
				if err != nil {
					if !errors.Is(err, errWrong) && !errors.Is(err, context.Canceled) && !errors.Is(err, errOtherBytes) {
						t.Error(err)
					}
					continue
				}
				wantContent(t, f, o)
				if what == 4 {
					if err := f.Reject(t.Context()); err != nil {
						t.Error(err)
					}
					wantContent(t, f, o)
				}
				closeFile(t, f)
			}
		})
	}
	wg.Wait()
	stop()
	watch.Wait()
	for i, c := range caches {
		if got := c.Stats(); got.Hits == 0 || got.Fetches == 0 || got.Evicted == 0 {
			t.Errorf("cache %d: %+v: the test shows nothing", i, got)
		}
	}
}
