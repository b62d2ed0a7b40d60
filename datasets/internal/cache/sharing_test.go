package cache

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
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
	a, b := object("a", 600), object("b", 600)
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
			if _, err := other.Get(ctx, object("c", 700), nil); !errors.Is(err, context.Canceled) {
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
