package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goclr/goclr/datasets/internal/retry"
)

func TestGet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "Open")
	c := openCache(t, dir, 1000)
	s := newStore()
	a, empty := object("a", 300), object("empty", 0)

	f := s.get(t, c, a)
	if f.Size() != 300 {
		t.Errorf("size %d", f.Size())
	}
	if s.use(t, c, a) {
		t.Error("fetched although it is open")
	}
	closeFile(t, f)
	closeFile(t, f)
	if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed file reads: %v", err)
	}
	if s.use(t, c, a) {
		t.Error("fetched although it is on disk")
	}
	if s.use(t, openCache(t, dir, 1000), a) {
		t.Error("fetched although another cache has put it there")
	}
	if !s.use(t, c, empty) || s.use(t, c, empty) {
		t.Error("an empty object is not kept")
	}
	if !s.use(t, c, object("a", 301)) || !s.use(t, c, object("b", 300)) {
		t.Error("another size or ID is taken for the same object")
	}
	if got, want := c.Stats(), (Stats{Hits: 3, Fetches: 4, FetchedBytes: 901}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestWrongArguments(t *testing.T) {
	c := openCache(t, t.TempDir(), 1000)
	fetch := func(context.Context, io.WriterAt) error { t.Error("fetched"); return nil }
	_, tooLarge := c.Get(t.Context(), object("s3://b/shard", 1001), fetch)
	_, unnamed := c.Get(t.Context(), object("", 10), fetch)
	_, negative := c.Get(t.Context(), Object{ID: "x", Size: -1}, fetch)
	_, noLimit := Open(t.Context(), Options{Dir: t.TempDir()})
	_, noDir := Open(t.Context(), Options{Limit: 1})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, notDir := Open(t.Context(), Options{Dir: file, Limit: 1})
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	_, dangling := Open(t.Context(), Options{Dir: link, Limit: 1})
	for _, x := range []struct {
		err   error
		parts []string
	}{
		{tooLarge, []string{"s3://b/shard", "1001", "1000", "-cache-limit"}},
		{unnamed, []string{`""`}},
		{negative, []string{"-1 bytes"}},
		{noLimit, []string{"-cache-limit"}},
		{noDir, []string{"-cache-dir"}},
		{notDir, []string{file, "-cache-dir"}},
		{dangling, []string{link, "-cache-dir"}},
	} {
		wantError(t, x.err, x.parts...)
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("error %v does not say %q", err, p)
		}
	}
}

// TestBadFetches makes sure that nothing is kept of what is not the object, that the next Get succeeds, and that the errors are told.
func TestBadFetches(t *testing.T) {
	broken := errors.New("broken pipe")
	o := object("o", 300)
	b := content(o)
	put := func(w io.WriterAt, begin, end int) error {
		_, err := w.WriteAt(b[begin:end], int64(begin))
		return err
	}
	for name, x := range map[string]struct {
		fetch Fetch
		say   string
		is    error
	}{
		"fails":          {func(_ context.Context, w io.WriterAt) error { return errors.Join(put(w, 0, 200), broken) }, "o: broken pipe", broken},
		"fails at once":  {func(context.Context, io.WriterAt) error { return broken }, "broken pipe", broken},
		"refused remote": {func(context.Context, io.WriterAt) error { return os.ErrPermission }, "o: permission denied", os.ErrPermission},
		"writes too few": {func(_ context.Context, w io.WriterAt) error { return put(w, 0, 299) }, "299 of its 300 bytes", io.ErrUnexpectedEOF},
		"writes nothing": {func(_ context.Context, w io.WriterAt) error { return nil }, "0 of its 300 bytes", io.ErrUnexpectedEOF},
		"leaves a hole": {func(_ context.Context, w io.WriterAt) error {
			return errors.Join(put(w, 0, 100), put(w, 0, 100), put(w, 101, 300))
		}, "299 of its 300 bytes", nil},
		"writes too much": {func(_ context.Context, w io.WriterAt) error { _, err := w.WriteAt(append(b, 0), 0); return err }, "301 bytes written at offset 0", nil},
		"writes before":   {func(_ context.Context, w io.WriterAt) error { _, err := w.WriteAt(b, -1); return err }, "offset -1", nil},
		"writes others":   {func(_ context.Context, w io.WriterAt) error { _, err := w.WriteAt(make([]byte, 300), 0); return err }, "not right: other bytes", nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := openCache(t, t.TempDir(), 1000)
			_, err := c.Get(t.Context(), o, x.fetch)
			wantError(t, err, "o: ", x.say)
			if x.is != nil && !errors.Is(err, x.is) {
				t.Errorf("%v does not wrap %v", err, x.is)
			}
			if strings.Contains(err.Error(), dirFlag) {
				t.Errorf("%v blames the folder", err)
			}
			if bytes, names := total(t, c); bytes != 0 {
				t.Errorf("%d bytes are left of it: %q", bytes, names)
			}
			s := newStore()
			if !s.use(t, c, o) || s.use(t, c, o) {
				t.Error("the next Get does not fetch it, once")
			}
		})
	}
}

// TestCheckedByFetch makes sure that Check is left out where Fetch has done its work.
func TestCheckedByFetch(t *testing.T) {
	for _, checked := range []bool{false, true} {
		o := object("o", 300)
		checks := 0
		o.Check = func(io.Reader) error { checks++; return nil }
		o.Checked = checked
		if !newStore().use(t, openCache(t, t.TempDir(), 1000), o) || checks == 0 != checked {
			t.Errorf("Checked %v: %d checks", checked, checks)
		}
	}
}

// TestWritesAfterTheEnd makes sure that a goroutine that goes on after its Fetch changes nothing.
func TestWritesAfterTheEnd(t *testing.T) {
	c := openCache(t, t.TempDir(), 1000)
	o := object("o", 300)
	var kept io.WriterAt
	f, err := c.Get(t.Context(), o, func(_ context.Context, w io.WriterAt) error { kept = w; return write(w, o) })
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := kept.WriteAt(make([]byte, 10), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("wrote: %v", err)
	}
	wantContent(t, f, o)
}

// TestErrorsOfTheDiskArePermanent makes sure that a fetch with retries gives up at once where the store is not to blame.
func TestErrorsOfTheDiskArePermanent(t *testing.T) {
	c := openCache(t, t.TempDir(), 1000)
	attempts := 0
	_, err := c.Get(t.Context(), object("o", 10), func(ctx context.Context, w io.WriterAt) error {
		return retry.Do(ctx, retry.Policy{}, func(context.Context) error {
			attempts++
			_, err := w.WriteAt(make([]byte, 11), 0)
			return err
		})
	})
	if attempts != 1 || err == nil {
		t.Errorf("%d attempts, error %v", attempts, err)
	}
}

// TestLeastRecentlyUsedGo compares the folder with a list, over random uses.
func TestLeastRecentlyUsedGo(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const limit = 1000
	c := openCache(t, t.TempDir(), limit)
	s := newStore()
	var model []Object // the last used at the end
	size := func(list []Object) (sum int64) {
		for _, o := range list {
			sum += o.Size
		}
		return sum
	}
	evicted := 0
	for range 400 {
		n := random.IntN(12)
		o := object(fmt.Sprint(n), int64(90*n+10))
		at := slices.IndexFunc(model, func(m Object) bool { return m.ID == o.ID })
		if at >= 0 {
			model = slices.Delete(model, at, at+1)
		}
		for size(model)+o.Size > limit {
			model = model[1:]
			evicted++
		}
		model = append(model, o)
		if fetched := s.use(t, c, o); fetched != (at < 0) {
			t.Fatalf("%s: fetched %v, it should have been there: %v", o.ID, fetched, at >= 0)
		}
		bytes, names := total(t, c)
		if len(names) != len(model) || bytes != size(model) {
			t.Fatalf("%d bytes in %d files, want %d in %d", bytes, len(names), size(model), len(model))
		}
		for _, m := range model {
			if !exists(c, m.key()+ready) {
				t.Fatalf("%s is not there", m.ID)
			}
		}
	}
	if got := c.Stats(); got.Evicted != int64(evicted) || evicted < 50 || got.EvictedOpen != 0 {
		t.Errorf("%+v, want %d evicted", got, evicted)
	}
}

// TestOpenObjectsGoLast has room made while objects are open: here, in another cache, and as a mapping.
func TestOpenObjectsGoLast(t *testing.T) {
	dir := t.TempDir()
	c, other := openCache(t, dir, 1000), openCache(t, dir, 1000)
	s := newStore()
	a, b, idle, d := object("a", 250), object("b", 250), object("idle", 250), object("d", 250)
	s.use(t, c, a)
	fa, fb := s.get(t, c, a), s.get(t, other, b) // one from the disk, one just fetched
	s.use(t, c, idle)
	mapped, err := unix.Mmap(int(fb.Fd()), 0, 250, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Munmap(mapped); err != nil {
			t.Error(err)
		}
	}()
	closeFile(t, fb)
	s.use(t, c, d)

	s.use(t, c, object("e", 250))
	if exists(c, idle.key()+ready) || !exists(c, a.key()+ready) || !exists(c, b.key()+ready) {
		t.Error("an object that is open went although another was not")
	}
	if got := c.Stats(); got.Evicted != 1 || got.EvictedOpen != 0 {
		t.Errorf("%+v", got)
	}
	s.use(t, c, object("all", 1000))
	if got := c.Stats(); got.Evicted != 5 || got.EvictedOpen != 2 {
		t.Errorf("%+v", got)
	}
	if bytes, names := total(t, c); bytes != 1000 || len(names) != 1 {
		t.Errorf("%d bytes in %q", bytes, names)
	}
	wantContent(t, fa, a)
	if !bytes.Equal(mapped, content(b)) {
		t.Error("the mapping has changed")
	}
	if s.use(t, c, a) {
		t.Error("fetched although it is open, without a name")
	}
	closeFile(t, fa)
	if !s.use(t, c, a) {
		t.Error("found, although the last one who had it open has closed it")
	}
}

// TestUseOfOpenObjectsCounts makes sure that a Get of what is open counts as a use like any other.
func TestUseOfOpenObjectsCounts(t *testing.T) {
	c := openCache(t, t.TempDir(), 1000)
	s := newStore()
	a, b := object("a", 300), object("b", 300)
	f := s.get(t, c, a)
	s.use(t, c, b)
	s.use(t, c, a)
	closeFile(t, f)
	s.use(t, c, object("c", 600))
	if !exists(c, a.key()+ready) || exists(c, b.key()+ready) {
		t.Error("what was used last went first")
	}
}

func TestSmallerLimit(t *testing.T) {
	dir := t.TempDir()
	c := openCache(t, dir, 1000)
	s := newStore()
	for i := range 10 {
		s.use(t, c, object(fmt.Sprint(i), 100))
	}
	c = openCache(t, dir, 350)
	if bytes, _ := total(t, c); bytes != 300 {
		t.Errorf("%d bytes", bytes)
	}
	for i := 7; i < 10; i++ {
		if s.use(t, c, object(fmt.Sprint(i), 100)) {
			t.Errorf("object %d is gone", i)
		}
	}
}

func TestReject(t *testing.T) {
	dir := t.TempDir()
	c, other := openCache(t, dir, 1000), openCache(t, dir, 1000)
	s := newStore()
	o := object("o", 300)
	f := s.get(t, c, o)
	if err := f.Reject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !s.use(t, c, o) || s.use(t, other, o) {
		t.Error("not fetched again, once")
	}
	if err := f.Reject(t.Context()); err != nil { // the file of that name is another now
		t.Fatal(err)
	}
	if s.use(t, c, o) {
		t.Error("the good one went")
	}
	wantContent(t, f, o)
}
