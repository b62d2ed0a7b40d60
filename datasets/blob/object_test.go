package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/datasets/blob/s3test"
	"github.com/goclr/goclr/datasets/internal/retry"
)

// TestList goes through several pages, of which one is refused at first.
func TestList(t *testing.T) {
	s := newServer(t, map[string][]byte{"other": {}, "p": {}, "pq/x": {}, "p/.git/x": {}, "p/.x": {}, "p/": {}, "p/d/": {}})
	want := map[string]int64{}
	for i := range 40 {
		name := "d/" + strconv.Itoa(i)
		s.Put("p/"+name, make([]byte, i))
		want[name] = int64(i)
	}
	s.Faults = s3test.Some(0.1, 1, s3test.Refuse, s3test.Drop, s3test.Cut)
	last := ""
	for info, err := range openBucket(t, s, "p").List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if size, ok := want[info.Name]; !ok || size != info.Size {
			t.Errorf("%s of %d bytes", info.Name, info.Size)
		}
		if info.Name <= last {
			t.Errorf("%s comes after %s", info.Name, last)
		}
		last = info.Name
		delete(want, info.Name)
	}
	if len(want) > 0 {
		t.Errorf("left out: %v", want)
	}
	for range openBucket(t, s, "p").List(t.Context()) {
		break
	}
}

func TestReadAt(t *testing.T) {
	want := bytesOf(300000)
	s := newServer(t, map[string][]byte{"p/o": want, "p/empty": {}})
	b := openBucket(t, s, "p/")
	for _, f := range []s3test.Fault{s3test.None, s3test.Cut, s3test.Mislead} {
		if f != s3test.None {
			s.Faults = s3test.Some(0.1, 1, f)
		}
		o := openObject(t, b, "o")
		if o.Size() != 300000 {
			t.Errorf("size %d", o.Size())
		}
		var workers sync.WaitGroup
		for seed := range uint64(4) {
			workers.Go(func() {
				random := rand.New(rand.NewPCG(seed, 1))
				for range 60 {
					from := random.IntN(int(o.Size()) + 1)
					p := make([]byte, random.IntN(20000))
					n, err := o.ReadAt(t.Context(), p, int64(from))
					if end := min(from+len(p), int(o.Size())); n != end-from || !bytes.Equal(p[:n], want[from:end]) {
						t.Errorf("%d bytes from %d: %d bytes, or others", len(p), from, n)
					}
					if err != nil && !errors.Is(err, io.EOF) || n < len(p) && err == nil {
						t.Error(err)
					}
				}
			})
		}
		workers.Wait()
	}
	if n, err := openObject(t, b, "empty").ReadAt(t.Context(), make([]byte, 1), 0); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("an empty object: %d bytes, %v", n, err)
	}
	_, err := b.Open(t.Context(), "none")
	if !errors.Is(err, fs.ErrNotExist) || isOfSource(err) {
		t.Errorf("what does not exist: %v", err)
	}
	wantError(t, err, "s3://bucket/p/none: ")
}

// TestRequests counts: an object read at once, or in small steps, takes one request.
func TestRequests(t *testing.T) {
	want := bytesOf(100000)
	s := newServer(t, map[string][]byte{"o": want})
	b := openBucket(t, s, "")
	read := func(o datasets.Object, size, from int) []byte {
		t.Helper()
		var got []byte
		for len(got) < len(want)-from {
			p := make([]byte, size)
			n, err := o.ReadAt(t.Context(), p, int64(from+len(got)))
			if got = append(got, p[:n]...); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		}
		return got
	}
	for _, x := range []struct{ size, gets int }{{len(want), 1}, {500, 1}} {
		if !bytes.Equal(read(openObject(t, b, "o"), x.size, 0), want) {
			t.Error("other bytes")
		}
		if _, gets := s.Requests(); gets != x.gets {
			t.Errorf("%d requests for reads of %d bytes", gets, x.size)
		}
	}
	o := openObject(t, b, "o")
	if !bytes.Equal(read(o, 500, 30000), want[30000:]) {
		t.Error("other bytes")
	}
	if _, gets := s.Requests(); gets != 3 { // one by Open, one for the first part, one for all that follows
		t.Errorf("%d requests for reads from the middle on", gets)
	}
}

// TestReplaced has an object change while it is open: that is an error, also where the server does not look at If-Match.
func TestReplaced(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		s := newServer(t, map[string][]byte{"o": bytesOf(100000)})
		s.IgnoreMatch = ignore
		o := openObject(t, openBucket(t, s, ""), "o")
		if _, err := o.ReadAt(t.Context(), make([]byte, 10), 500); err != nil {
			t.Fatal(err)
		}
		other := bytesOf(100000)
		other[7] ^= 1
		s.Put("o", other)
		s.Requests()
		_, err := o.ReadAt(t.Context(), make([]byte, 10), 600)
		wantError(t, err, "s3://bucket/o", "replaced")
		if !isOfSource(err) {
			t.Error("an image is to blame")
		}
		if _, gets := s.Requests(); gets != 1 {
			t.Errorf("%d requests", gets)
		}
	}
}

func TestReplacedFile(t *testing.T) {
	dir := writeFiles(t, map[string][]byte{"o": bytesOf(1000)})
	b, err := open(t.Context(), "file://"+dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	o := openObject(t, b, "o")
	if err := os.WriteFile(filepath.Join(dir, "o"), bytesOf(1001), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = o.ReadAt(t.Context(), make([]byte, 10), 600)
	wantError(t, err, "replaced")
}

// TestStall has a server fall silent: the request is given up and made again.
func TestStall(t *testing.T) {
	want := bytesOf(100000)
	p := patience{policy: retry.Policy{Attempts: math.MaxInt, Cap: time.Millisecond}, stall: 100 * time.Millisecond} // of which one is enough
	for _, f := range []s3test.Fault{s3test.Hang, s3test.HangLater} {
		s := newServer(t, map[string][]byte{"o": want})
		s.Faults = s3test.First(1, f)
		got := make([]byte, len(want))
		if _, err := openObject(t, openBucketFor(t, s, "", p), "o").ReadAt(t.Context(), got, 0); err != nil || !bytes.Equal(got, want) {
			t.Errorf("fault %d: %v, or other bytes", f, err)
		}
	}
}

// TestCancel ends what waits for a silent server, and leaves objects usable that were opened by a call whose context has ended since.
func TestCancel(t *testing.T) {
	s := newServer(t, map[string][]byte{"o": bytesOf(100000)})
	b := openBucket(t, s, "")
	ctx, cancel := context.WithCancel(t.Context())
	o, err := b.Open(ctx, "o")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	cancel()
	if _, err := o.ReadAt(t.Context(), make([]byte, 10), 0); err != nil {
		t.Error(err)
	}
	if _, err := o.ReadAt(ctx, make([]byte, 10), 10); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	s.Faults = func(*http.Request) s3test.Fault { cancel(); return s3test.Hang }
	for _, call := range []func() error{
		func() error { _, err := o.ReadAt(ctx, make([]byte, 10), 500); return err },
		func() error { _, err := b.Open(ctx, "o"); return err },
		func() error {
			for _, err := range b.List(ctx) {
				return err
			}
			return nil
		},
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
	}
	cancel()
}
