package retry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// longest draws the longest pause there can be, but for a nanosecond.
func longest(n int64) int64 { return n - 1 }

// failing returns an attempt that fails n times with err, and notes when it was called.
func failing(n int, err error) (try func(context.Context) error, at *[]time.Duration) {
	start := time.Now()
	at = new([]time.Duration)
	return func(context.Context) error {
		*at = append(*at, time.Since(start).Round(time.Millisecond))
		if len(*at) <= n {
			return err
		}
		return nil
	}, at
}

// Time in these tests is that of synctest: a pause takes none.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

const ms = time.Millisecond

func TestPauses(t *testing.T) {
	policy := Policy{Attempts: 6, Base: 100 * ms, Cap: 500 * ms, Rand: longest}
	bubble(t, "double up to the cap", func(t *testing.T) {
		try, at := failing(5, io.ErrUnexpectedEOF)
		if err := Do(t.Context(), policy, try); err != nil {
			t.Error(err)
		}
		if want := []time.Duration{0, 100 * ms, 300 * ms, 700 * ms, 1200 * ms, 1700 * ms}; !slices.Equal(*at, want) {
			t.Errorf("attempts at %v, want %v", *at, want)
		}
	})
	bubble(t, "may be none", func(t *testing.T) {
		try, at := failing(5, io.ErrUnexpectedEOF)
		policy := policy
		policy.Rand = func(int64) int64 { return 0 }
		if err := Do(t.Context(), policy, try); err != nil || slices.Max(*at) != 0 {
			t.Errorf("attempts at %v, error %v", *at, err)
		}
	})
	bubble(t, "by default", func(t *testing.T) {
		try, at := failing(100, io.ErrUnexpectedEOF)
		err := Do(t.Context(), Policy{Rand: longest}, try)
		if want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second, 25 * time.Second}; !slices.Equal(*at, want) {
			t.Errorf("attempts at %v, want %v", *at, want)
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	})
	bubble(t, "are random", func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 20 {
			try, at := failing(1, io.ErrUnexpectedEOF)
			if err := Do(t.Context(), Policy{}, try); err != nil {
				t.Fatal(err)
			}
			seen[(*at)[1]] = true
		}
		if len(seen) < 5 {
			t.Errorf("20 pauses of %d lengths", len(seen))
		}
	})
}

func TestLongPausesDoNotOverflow(t *testing.T) {
	p := Policy{Base: time.Hour, Cap: math.MaxInt64, Rand: longest}.withDefaults()
	for n, last := 1, time.Duration(0); n < 200; n++ {
		d := p.pause(n)
		if d < last {
			t.Fatalf("after %d attempts a pause of %v, before it was %v", n, d, last)
		}
		last = d
	}
}

// timeout is what clients of HTTP return when the time of one request is over.
func timeout() error { return fmt.Errorf("get: %w", context.DeadlineExceeded) }

func TestWhichErrorsAreRetried(t *testing.T) {
	refused := errors.New("password refused")
	for name, c := range map[string]struct {
		err  error
		once bool
	}{
		"some error":                  {io.ErrUnexpectedEOF, false},
		"network":                     {&net.OpError{Op: "read", Err: io.EOF}, false},
		"deadline of the attempt":     {timeout(), false},
		"not there":                   {fmt.Errorf("open: %w", fs.ErrNotExist), true},
		"cancelled inside":            {fmt.Errorf("read: %w", context.Canceled), true},
		"permanent":                   {Permanent(refused), true},
		"permanent, wrapped":          {fmt.Errorf("log in: %w", Permanent(refused)), true},
		"permanent, among others":     {errors.Join(io.EOF, Permanent(refused)), true},
		"permanent, and not there":    {Permanent(fs.ErrNotExist), true},
		"permission, perhaps for now": {fs.ErrPermission, false},
	} {
		bubble(t, name, func(t *testing.T) {
			try, at := failing(100, c.err)
			err := Do(t.Context(), Policy{Attempts: 3}, try)
			if want := map[bool]int{true: 1, false: 3}[c.once]; len(*at) != want {
				t.Errorf("%d attempts, want %d", len(*at), want)
			}
			if !errors.Is(err, c.err) {
				t.Errorf("%v does not wrap %v", err, c.err)
			}
		})
	}
	if err := Permanent(nil); err != nil {
		t.Errorf("Permanent(nil) is %v", err)
	}
	if err := Permanent(refused); err.Error() != refused.Error() || !errors.Is(err, refused) {
		t.Errorf("Permanent: %v", err)
	}
}

func TestErrorTells(t *testing.T) {
	policy := Policy{Attempts: 3, Base: 2 * time.Second, Rand: longest}
	bubble(t, "attempts and time", func(t *testing.T) {
		try, _ := failing(100, io.ErrUnexpectedEOF)
		err := Do(t.Context(), policy, try)
		if want := "3 attempts in 6s: unexpected EOF"; err == nil || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	})
	bubble(t, "nothing more after one attempt", func(t *testing.T) {
		try, _ := failing(100, fs.ErrNotExist)
		if err := Do(t.Context(), policy, try); !errors.Is(err, fs.ErrNotExist) || err.Error() != fs.ErrNotExist.Error() {
			t.Errorf("%v", err)
		}
	})
	bubble(t, "why it gave up early", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		try, at := failing(100, io.ErrUnexpectedEOF)
		err := Do(ctx, policy, try)
		if want := "2 attempts in 3s: context deadline exceeded; the last error was: unexpected EOF"; err == nil || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, io.ErrUnexpectedEOF) || len(*at) != 2 {
			t.Errorf("%v, attempts at %v", err, *at)
		}
	})
}

func TestContextEnds(t *testing.T) {
	bubble(t, "before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		try, at := failing(0, nil)
		if err := Do(ctx, Policy{}, try); !errors.Is(err, context.Canceled) || len(*at) != 0 {
			t.Errorf("%v after %d attempts", err, len(*at))
		}
	})
	bubble(t, "within an attempt", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		attempts := 0
		err := Do(ctx, Policy{}, func(ctx context.Context) error { attempts++; cancel(); return ctx.Err() })
		if err == nil || err.Error() != context.Canceled.Error() || attempts != 1 {
			t.Errorf("%v after %d attempts", err, attempts)
		}
	})
	bubble(t, "within a pause", func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*ms)
		defer cancel()
		try, at := failing(100, io.EOF)
		err := Do(ctx, Policy{Rand: longest}, try)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, io.EOF) || len(*at) != 1 || time.Since(start) != 10*ms {
			t.Errorf("%v after %d attempts and %v", err, len(*at), time.Since(start))
		}
	})
	bubble(t, "when all is done", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		if err := Do(ctx, Policy{}, func(context.Context) error { cancel(); return nil }); err != nil {
			t.Errorf("%v, although the attempt succeeded", err)
		}
	})
}

func TestSleep(t *testing.T) {
	bubble(t, "sleep", func(t *testing.T) {
		start := time.Now()
		if err := Sleep(t.Context(), time.Minute); err != nil || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}
