package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goclr/goclr/datasets/blob/s3test"
)

// storeImages are in the store; few, since a request that fails waits a while.
const storeImages = 400

// A failure is a way in which a store fails.
type failure struct {
	what, must string
	form       string // of the images: photos, photos.tar or shards
	// begin has the store fail. It returns the images that will be bad besides those that are, and how to end it; nil: there is no need to.
	begin func(s *s3test.Server, random *rand.Rand, keys []string) (bad []string, end func())
	// says are parts of the error that ingest must end with; none: it must not fail.
	says []string
}

const (
	mustAgree = "the bytes of an ingest that nothing disturbed"
	mustTell  = "status 1 and an error that names the object and says what to do; run again when it is mended, the bytes of an undisturbed ingest"
)

// some is a store of which a share of the requests fails.
func some(share float64, faults ...s3test.Fault) func(*s3test.Server, *rand.Rand, []string) ([]string, func()) {
	return func(s *s3test.Server, random *rand.Rand, _ []string) ([]string, func()) {
		s.Faults = s3test.Some(share, random.Uint64(), faults...)
		return nil, nil
	}
}

// stall is a store of which two requests in the middle are not answered.
func stall(f s3test.Fault) func(*s3test.Server, *rand.Rand, []string) ([]string, func()) {
	return func(s *s3test.Server, random *rand.Rand, _ []string) ([]string, func()) {
		before, faults := 20+random.IntN(storeImages/2), s3test.First(2, f)
		s.Faults = func(r *http.Request) s3test.Fault {
			if before--; before > 0 {
				return s3test.None
			}
			return faults(r)
		}
		return nil, nil
	}
}

// refuseAfter is a store that refuses all requests from a random one on, until it is mended.
func refuseAfter(status int, code string) func(*s3test.Server, *rand.Rand, []string) ([]string, func()) {
	return func(s *s3test.Server, random *rand.Rand, _ []string) ([]string, func()) {
		var left atomic.Int64
		left.Store(random.Int64N(storeImages))
		s.Answer = func(w http.ResponseWriter, _ *http.Request) bool {
			if left.Add(-1) >= 0 {
				return false
			}
			s3test.RefuseWith(w, status, code)
			return true
		}
		return nil, func() { left.Store(1 << 60) }
	}
}

// objectsOf answers requests for a few random objects by another function, until it is mended.
func objectsOf(answer func(s *s3test.Server, w http.ResponseWriter, r *http.Request, key string) bool) func(*s3test.Server, *rand.Rand, []string) ([]string, func()) {
	return func(s *s3test.Server, random *rand.Rand, keys []string) ([]string, func()) {
		chosen := map[string]bool{}
		for range 4 {
			chosen[keys[random.IntN(len(keys))]] = true
		}
		s.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			key := strings.TrimPrefix(r.URL.Path, "/bucket/photos/")
			return chosen[key] && answer(s, w, r, key)
		}
		return slices.Collect(maps.Keys(chosen)), nil
	}
}

// replaceAfter is a store in which an object is replaced by another at a random moment, until it is put back.
func replaceAfter(name string) func(*s3test.Server, *rand.Rand, []string) ([]string, func()) {
	return func(s *s3test.Server, random *rand.Rand, _ []string) ([]string, func()) {
		whole := s.Get(name)
		other := slices.Clone(whole)
		other[len(other)/2] ^= 1
		var left atomic.Int64
		left.Store(2 + random.Int64N(12))
		s.Answer = func(http.ResponseWriter, *http.Request) bool {
			if left.Add(-1) == 0 {
				s.Put(name, other)
			}
			return false
		}
		return nil, func() { left.Store(0); s.Put(name, whole) }
	}
}

var failures = []failure{
	{"answers after 20 to 200 ms", mustAgree, "photos", func(s *s3test.Server, random *rand.Rand, _ []string) ([]string, func()) {
		var mu sync.Mutex
		s.Answer = func(http.ResponseWriter, *http.Request) bool {
			mu.Lock()
			wait := time.Duration(20+random.IntN(180)) * time.Millisecond
			mu.Unlock()
			time.Sleep(wait)
			return false
		}
		return nil, nil
	}, nil},
	{"20 % of the requests fail for a while, in any way", mustAgree, "photos.tar",
		some(0.2, s3test.Refuse, s3test.Throttle, s3test.Busy, s3test.Drop, s3test.Cut, s3test.Mislead), nil},
	{"5 % are answered by 500", mustAgree, "photos", some(0.05, s3test.Refuse), nil},
	{"5 % by 503", mustAgree, "photos", some(0.05, s3test.Throttle), nil},
	{"5 % by 429", mustAgree, "photos", some(0.05, s3test.Busy), nil},
	{"5 % of the connections break before the answer", mustAgree, "photos", some(0.05, s3test.Drop), nil},
	{"5 % break in the middle of the body", mustAgree, "photos", some(0.05, s3test.Cut), nil},
	{"20 % of the parts are shorter than asked for, and end cleanly", mustAgree, "photos.tar", some(0.2, s3test.Mislead), nil},
	{"20 % of the requests fail in any way, shards through the cache", mustAgree, "shards",
		some(0.2, s3test.Refuse, s3test.Throttle, s3test.Busy, s3test.Drop, s3test.Cut, s3test.Mislead), nil},
	{"two requests are never answered", mustAgree, "photos", stall(s3test.Hang), nil},
	{"two answers stop in the middle", mustAgree, "photos", stall(s3test.HangLater), nil},
	{"an object is gone after it was listed", "it is in the quarantine, all others in the shards", "photos",
		objectsOf(func(_ *s3test.Server, w http.ResponseWriter, _ *http.Request, _ string) bool {
			s3test.RefuseWith(w, http.StatusNotFound, "NoSuchKey")
			return true
		}), nil},
	{"an object is shorter than it was listed, and ends cleanly", "it is in the quarantine, all others in the shards", "photos",
		objectsOf(func(s *s3test.Server, w http.ResponseWriter, _ *http.Request, key string) bool {
			b := s.Get("photos/" + key)
			w.Header().Set("Content-Length", strconv.Itoa(len(b)-100))
			_, _ = w.Write(b[:len(b)-100]) // the client may be gone
			return true
		}), nil},
	{"an object was replaced by an image of another size after it was listed", "it is in the quarantine, all others in the shards", "photos",
		objectsOf(func(s *s3test.Server, w http.ResponseWriter, _ *http.Request, _ string) bool {
			_, _ = w.Write(s.Get("other.jpg")) // the client may be gone
			return true
		}), nil},
	{"an archive is replaced while it is read", mustTell, "photos.tar", replaceAfter("photos.tar"), []string{"photos.tar", "replaced"}},
	{"403 from some moment on", mustTell, "photos", refuseAfter(http.StatusForbidden, "AccessDenied"), []string{"s3://bucket/", "credentials"}},
	{"500 from some moment on", mustTell, "photos", refuseAfter(http.StatusInternalServerError, "InternalError"), []string{"s3://bucket/", "attempts", "500"}},
	{"a shard is gone", mustTell, "shards", func(s *s3test.Server, _ *rand.Rand, _ []string) ([]string, func()) {
		const name = "shards/shard-00001.arrow"
		whole := s.Get(name)
		s.Remove(name)
		return nil, func() { s.Put(name, whole) }
	}, []string{"shard-00001.arrow"}},
	{"a shard has other bytes", mustTell, "shards", func(s *s3test.Server, random *rand.Rand, _ []string) ([]string, func()) {
		const name = "shards/shard-00001.arrow"
		whole := s.Get(name)
		s.Put(name, mutate(random, whole))
		return nil, func() { s.Put(name, whole) }
	}, []string{"shard-00001.arrow"}},
}

// A stock is what lies in a store, and what comes of each form of it undisturbed.
type stock struct {
	objects map[string][]byte
	keys    []string // of images that are sound
	want    map[string]string
	must    map[string]outcome
}

// failStore ingests from a store on loopback that fails in each way.
func failStore(ctx context.Context, b *bench) ([]*row, error) {
	st, err := b.stock(ctx)
	if err != nil {
		return nil, err
	}
	rows := make([]*row, len(failures))
	var work sync.WaitGroup
	turn := make(chan struct{}, 32) // most of the time is spent waiting
	var mu sync.Mutex
	var failed error
	for i, f := range failures {
		rows[i] = newRow("store, "+f.form+": "+f.what, f.must)
		for n := range b.cases {
			work.Go(func() {
				turn <- struct{}{}
				defer func() { <-turn }()
				if err := b.failOnce(ctx, st, f, rows[i], fmt.Sprintf("store %d.%d", i, n)); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
				}
			})
		}
	}
	work.Wait()
	return rows, failed
}

// stock makes the images of the store in all forms.
func (b *bench) stock(ctx context.Context) (*stock, error) {
	list, err := b.photos("cifar10-test.tar", storeImages+1)
	if err != nil {
		return nil, err
	}
	other := list[storeImages]
	list = list[:storeImages]
	spoil(list, 0.02, b.random("store"))
	notes := photo{key: "notes.txt", bytes: make([]byte, 60<<20)} // makes it large enough for more than one request
	content, err := tarOf(append(slices.Clone(list), notes))
	if err != nil {
		return nil, err
	}
	st := &stock{map[string][]byte{"photos.tar": content, "other.jpg": append(other.bytes, make([]byte, 5000)...)}, nil, map[string]string{}, map[string]outcome{}}
	for _, p := range list {
		st.objects["photos/"+p.key] = p.bytes
	}
	if err := os.WriteFile(filepath.Join(b.work, "photos.tar"), content, 0o644); err != nil {
		return nil, err
	}
	shards := filepath.Join(b.work, "store-shards")
	if _, err := ingestSpec(ctx, filepath.Join(b.work, "photos.tar"), shards, 200<<10); err != nil {
		return nil, err
	}
	all, err := files(shards)
	if err != nil {
		return nil, err
	}
	for name, content := range all {
		st.objects["shards/"+name] = content
	}
	s := st.server()
	defer s.Close()
	for _, form := range []string{"photos", "photos.tar", "shards"} {
		st.want[form] = filepath.Join(b.work, "store-want-"+form)
		if e, err := b.ingestFrom(ctx, s, form, st.want[form]); err != nil || e.code != 0 {
			return nil, fmt.Errorf("undisturbed: %w %s", err, e.stderr)
		}
		if st.must[form], err = outcomeOf(ctx, st.want[form]); err != nil {
			return nil, err
		}
	}
	st.keys = slices.Sorted(maps.Keys(st.must["photos"].images))
	return st, nil
}

func (st *stock) server() *s3test.Server {
	s := s3test.New(maps.Clone(st.objects))
	s.PageSize = 1000
	return s
}

// ingestFrom ingests what a server has.
func (b *bench) ingestFrom(ctx context.Context, s *s3test.Server, form, out string) (ending, error) {
	return b.ingest(ctx, "-in", "s3://bucket/"+form+"?endpoint="+s.URL, "-out", out, "-max-bad", "0.1", "-workers", "8", "-cache-dir", out+".cache")
}

// failOnce ingests from a store that fails, and again when that is over.
func (b *bench) failOnce(ctx context.Context, st *stock, f failure, r *row, name string) error {
	s := st.server()
	defer s.Close()
	made, end := f.begin(s, b.random(name), st.keys)
	parent, err := b.dir(name)
	if err != nil {
		return err
	}
	out := filepath.Join(parent, "shards")
	e, err := b.ingestFrom(ctx, s, f.form, out)
	if err != nil {
		return err
	}
	r.tried()
	if s.Faults != nil {
		n := 0
		for kind := s3test.Refuse; kind <= s3test.Mislead; kind++ {
			n += s.Faulty(kind)
		}
		r.add("requests failed", n)
	}
	if !r.ended("ingest", e) {
		return nil
	}
	if len(f.says) > 0 {
		again, err := b.mend(ctx, s, f, r, e, out, end)
		if err != nil || again.code != 0 {
			return err
		}
	} else if e.code != 0 {
		r.fail("it fails: %s", e.stderr)
		return nil
	}
	got, err := outcomeOf(ctx, out)
	if err != nil {
		return err
	}
	must := outcome{maps.Clone(st.must[f.form].images), maps.Clone(st.must[f.form].bad)}
	for _, key := range made {
		delete(must.images, key)
		must.bad[key] = f.what
		if _, stored := got.images[key]; stored {
			r.fail("%s was stored", key)
		}
	}
	r.compare(got.from(must))
	if len(made) > 0 {
		return nil
	}
	why, err := sameFiles(out, st.want[f.form])
	if why != "" {
		r.fail("%s", why)
	}
	return err
}

// mend looks at the error of an ingest, mends the store and ingests again.
func (b *bench) mend(ctx context.Context, s *s3test.Server, f failure, r *row, e ending, out string, end func()) (again ending, err error) {
	if e.code == 0 {
		r.add("over before it failed", 1)
		return e, nil
	}
	for _, part := range f.says {
		if !strings.Contains(e.stderr, part) {
			r.fail("the error does not say %q: %s", part, e.stderr)
		}
	}
	if _, err := os.Stat(out); err == nil || e.code != 1 {
		r.fail("status %d; the folder: %v", e.code, err)
	}
	end()
	if again, err = b.ingestFrom(ctx, s, f.form, out); err != nil {
		return again, err
	}
	if r.ended("ingest again", again) && again.code != 0 {
		r.fail("run again, it fails: %s", again.stderr)
	}
	return again, nil
}
