package blob

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/datasets/blob/s3test"
)

// openPlanned opens what lies below a prefix of a server, to be listed in another way than usual.
func openPlanned(t testing.TB, s server, prefix string, p plan) datasets.Bucket {
	t.Helper()
	b := openBucket(t, s, prefix)
	b.(*bucket).plan = p
	return b
}

// early looks for folders after two pages of three objects.
var early = plan{page: 3, pages: 2, levels: 3, entries: 4, worth: 1, atOnce: 4, ahead: 1}

// listed returns all that a bucket lists, and what ended that.
func listed(ctx context.Context, b datasets.Bucket) (all []datasets.ObjectInfo, err error) {
	for o, err := range b.List(ctx) {
		if err != nil {
			return all, err
		}
		all = append(all, o)
	}
	return all, nil
}

// mustList is listed of a bucket that has no error.
func mustList(t testing.TB, b datasets.Bucket) []datasets.ObjectInfo {
	t.Helper()
	all, err := listed(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// isFlat reports whether a request lists all below a folder of the bucket, page by page.
func isFlat(r *http.Request) bool {
	q := r.URL.Query()
	return q.Get("prefix") != "" && !q.Has("delimiter")
}

// grow adds objects below a folder, with names of a list.
func grow(objects map[string][]byte, random *rand.Rand, names []string, folder string, depth int) {
	for range 3 + random.IntN(4) {
		name := folder + names[random.IntN(len(names))]
		switch {
		case depth > 0 && random.IntN(3) > 0:
			grow(objects, random, names, name+"/", depth-1)
		case random.IntN(8) == 0 && folder != "":
			objects[folder] = nil
		default:
			objects[name+strconv.Itoa(random.IntN(9))] = make([]byte, random.IntN(9))
		}
	}
}

// TestDividedList makes sure that folders listed apart are the same list as one page after the other, whatever their names are.
func TestDividedList(t *testing.T) {
	names := []string{"", "a", "a-b", "a.jpg", "a0", "aé", "b", "B", ".h", "a b%+&", "z~"}
	odd := append(slices.Repeat(names, 3), "a..", "x__0x41__", "__0x62__", "z\n") // which gocloud takes for others
	divided := map[string]int{}
	for seed := range uint64(120) {
		random := rand.New(rand.NewPCG(seed, 3))
		objects := map[string][]byte{}
		kind := []string{"plain", "odd", "faulty"}[seed%3]
		grow(objects, random, map[string][]string{"plain": names, "odd": odd, "faulty": names}[kind], "", 3)
		s := newServer(t, objects)
		prefix := []string{"", "", "a", "a0/a"}[random.IntN(4)]
		b := openBucket(t, s, prefix).(*bucket)
		b.plan = plan{page: 1 + random.IntN(9)}
		want := mustList(t, b)

		b.plan.pages, b.plan.levels, b.plan.entries = 1+random.IntN(3), 1+random.IntN(4), 1+random.IntN(9)
		b.plan.worth, b.plan.atOnce, b.plan.ahead = 1+random.IntN(2), 1+random.IntN(5), random.IntN(3)
		if kind == "faulty" {
			s.Faults = s3test.Some(0.1, seed, s3test.Refuse, s3test.Throttle, s3test.Drop, s3test.Cut)
		}
		var apart atomic.Bool
		s.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
			if isFlat(r) && len(r.URL.Query().Get("prefix")) > len(b.prefix) {
				apart.Store(true)
			}
			return false
		}
		if got := mustList(t, b); !slices.Equal(got, want) {
			t.Errorf("seed %d, %+v: %v\nnot %v", seed, b.plan, got, want)
		}
		if apart.Load() {
			divided[kind]++
		}
		s.Close()
	}
	t.Log("divided:", divided)
	if divided["plain"] < 9 || divided["odd"] < 9 || divided["faulty"] < 9 {
		t.Errorf("so few were divided: %v", divided)
	}
}

// TestOrder makes sure that names come by their bytes, slashes included.
func TestOrder(t *testing.T) {
	want := []string{"//x", "/x", "a", "a!/b", "a-b/c", "a.jpg", "a//b", "a/b", "a/b/", "a/b//c", "a/b/c", "a/c", "a0/b", "aé/b", "b/x", "b//"}
	slices.Sort(want)
	objects := map[string][]byte{}
	for _, name := range want {
		objects[name] = nil
	}
	s := newServer(t, objects)
	want = slices.DeleteFunc(want, isFolder)
	p := early
	for p.page = 1; p.page < 8; p.page++ {
		var got []string
		for _, o := range mustList(t, openPlanned(t, s, "", p)) {
			got = append(got, o.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q\nnot %q", got, want)
		}
	}
}

// folders are so many with so many objects each.
func folders(n, each int) map[string][]byte {
	objects := map[string][]byte{}
	for i := range n * each {
		objects[fmt.Sprintf("train/%03d/%04d.png", i%n, i/n)] = nil
	}
	return objects
}

// TestListRequests counts: a listing of eight pages takes no more requests than there are pages, and a longer one of small
// folders few more.
func TestListRequests(t *testing.T) {
	for _, x := range []struct{ folders, each, requests int }{
		{8, 1000, 8},
		{3000, 3, 9 + 2},   // what is in the bucket, and some of what is in train/
		{1, 20000, 20 + 6}, // after 8 and after 16 pages: these, and some of what is in train/000/
	} {
		s := newServer(t, folders(x.folders, x.each))
		s.PageSize = 1000
		if got := len(mustList(t, openBucket(t, s, ""))); got != x.folders*x.each {
			t.Errorf("%d objects of %d", got, x.folders*x.each)
		}
		if lists, _ := s.Requests(); lists != x.requests {
			t.Errorf("%d requests for %d objects in %d folders, not %d", lists, x.folders*x.each, x.folders, x.requests)
		}
	}
}

// TestListsAtOnce answers requests for folders, but for the first, only when there are four.
func TestListsAtOnce(t *testing.T) {
	s := newServer(t, folders(10, 10))
	var asked, waiting atomic.Int32
	all := make(chan struct{})
	come := sync.OnceFunc(func() { close(all) })
	s.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if !isFlat(r) || asked.Add(1) == 1 {
			return false
		}
		if waiting.Add(1) == 4 {
			come()
		}
		select {
		case <-all:
		case <-r.Context().Done():
			waiting.Add(-1)
		}
		return false
	}
	if got := len(mustList(t, openPlanned(t, s, "", early))); got != 100 {
		t.Errorf("%d objects", got)
	}
}

// TestListError makes sure that an error comes where it belongs, after all objects before it.
func TestListError(t *testing.T) {
	s := newServer(t, folders(10, 10))
	s.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		fails := isFlat(r) && r.URL.Query().Get("prefix") == "train/006/" && r.URL.Query().Has("continuation-token")
		if fails {
			s3test.RefuseWith(w, http.StatusForbidden, "AccessDenied")
		}
		return fails
	}
	got, err := listed(t.Context(), openPlanned(t, s, "", early))
	wantError(t, err, "s3://bucket/: ", "AccessDenied", "do not allow")
	if len(got) != 63 || got[62].Name != "train/006/0002.png" {
		t.Errorf("%d objects before it", len(got))
	}
}

// TestListAllowed makes sure that who may list a whole bucket only can still do so.
func TestListAllowed(t *testing.T) {
	s := newServer(t, folders(10, 10))
	for _, refused := range []func(*http.Request) bool{
		isFlat,
		func(r *http.Request) bool { return r.URL.Query().Has("delimiter") },
	} {
		s.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if refused(r) {
				s3test.RefuseWith(w, http.StatusForbidden, "AccessDenied")
			}
			return refused(r)
		}
		if got := len(mustList(t, openPlanned(t, s, "", early))); got != 100 {
			t.Errorf("%d objects", got)
		}
	}
}

// TestListEnds makes sure that nothing goes on when the caller stops, or its context ends while the store is silent.
func TestListEnds(t *testing.T) {
	s := newServer(t, folders(10, 10))
	b := openPlanned(t, s, "", early)
	for n := range 100 {
		for range b.List(t.Context()) {
			if n--; n < 0 {
				break
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.Faults = func(r *http.Request) s3test.Fault {
		if r.URL.Query().Get("prefix") != "train/005/" {
			return s3test.None
		}
		cancel()
		return s3test.Hang
	}
	if _, err := listed(ctx, b); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestListChanges has objects come and go with each request: those that stay are listed once.
func TestListChanges(t *testing.T) {
	stay := folders(20, 12)
	for seed := range uint64(30) {
		objects := folders(20, 12)
		s := newServer(t, objects)
		var mu sync.Mutex
		random := rand.New(rand.NewPCG(seed, 4))
		s.Answer = func(http.ResponseWriter, *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			for range 5 {
				name := fmt.Sprintf("train/%03d%s/x%d", random.IntN(20), []string{"", "-b", "/c"}[random.IntN(3)], random.IntN(30))
				if random.IntN(2) == 0 {
					s.Put(name, nil)
				} else {
					s.Remove(name)
				}
			}
			return false
		}
		last, n := "", 0
		for _, o := range mustList(t, openPlanned(t, s, "", early)) {
			if o.Name <= last {
				t.Errorf("%s comes after %s", o.Name, last)
			}
			last = o.Name
			if _, ok := stay[o.Name]; ok {
				n++
			}
		}
		if n != len(stay) {
			t.Errorf("seed %d: %d of %d objects", seed, n, len(stay))
		}
		s.Close()
	}
}

// TestDisorder makes sure that a store with another order, as some have, is listed one page after the other.
func TestDisorder(t *testing.T) {
	s := newServer(t, nil)
	s.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Has("delimiter") {
			t.Error("folders are looked for")
		}
		n, _ := strconv.Atoi(r.URL.Query().Get("continuation-token")) // 0: the first page
		next := ""
		if n < 27 {
			next = strconv.Itoa(n + 3)
		}
		fmt.Fprintf(w, `<ListBucketResult><IsTruncated>%t</IsTruncated><NextContinuationToken>%s</NextContinuationToken>`, n < 27, next)
		for i := n; i < n+3; i++ {
			fmt.Fprintf(w, `<Contents><Key>%d/x</Key><Size>1</Size><LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents>`, 99-i)
		}
		fmt.Fprint(w, `</ListBucketResult>`)
		return true
	}
	var got []string
	for o, err := range openPlanned(t, s, "", early).List(t.Context()) {
		if err != nil || len(got) == 30 {
			t.Fatal(err, got)
		}
		got = append(got, o.Name)
	}
	if len(got) != 30 || got[29] != "70/x" {
		t.Errorf("%q", got)
	}
}

// TestPlans makes sure that folders are listed apart only where that is known to be the same list.
func TestPlans(t *testing.T) {
	for scheme, want := range map[string]bool{"s3": true, "gs": true, "azblob": false, "file": false} {
		if got := planOf(scheme).pages > 0; got != want {
			t.Errorf("%s: %t", scheme, got)
		}
	}
}

// TestListFiles has more files than a store tells at once, in folders that a walk meets in another order than that of their names.
func TestListFiles(t *testing.T) {
	files := map[string][]byte{"a-b/0": {1}, "a.jpg": {1, 2}, "a0/0": nil}
	for i := range usual.page + 100 {
		files[fmt.Sprintf("a/%04d", i)] = nil
	}
	b, err := open(t.Context(), "file://"+writeFiles(t, files))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var want []datasets.ObjectInfo
	for _, name := range slices.Sorted(maps.Keys(files)) {
		want = append(want, datasets.ObjectInfo{Name: name, Size: int64(len(files[name]))})
	}
	if got := mustList(t, b); !slices.Equal(got, want) {
		t.Errorf("%d files, not %d, or in another order", len(got), len(want))
	}
}

// BenchmarkList lists 200,000 objects of a server that answers after 20 ms, with what it answered before.
func BenchmarkList(b *testing.B) {
	for _, n := range []int{100, 1000, 20000} {
		objects := newServer(b, folders(n, 200000/n))
		objects.PageSize = 1000
		var answers sync.Map
		var requests atomic.Int64
		s := newServer(b, nil)
		s.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			requests.Add(1)
			answer, ok := answers.Load(r.URL.RawQuery)
			if !ok {
				first := httptest.NewRecorder()
				objects.ServeHTTP(first, r)
				answer = first.Body.Bytes()
				answers.Store(r.URL.RawQuery, answer)
			}
			time.Sleep(20 * time.Millisecond)
			if _, err := w.Write(answer.([]byte)); err != nil {
				b.Error(err)
			}
			return true
		}
		one := usual
		one.pages = 0
		for _, x := range []struct {
			name string
			plan plan
		}{{"in turn", one}, {"at once", usual}} {
			bucket := openPlanned(b, s, "", x.plan)
			mustList(b, bucket)
			b.Run(fmt.Sprintf("%d folders, %s", n, x.name), func(b *testing.B) {
				requests.Store(0)
				for b.Loop() {
					if got := len(mustList(b, bucket)); got != 200000 {
						b.Fatalf("%d objects", got)
					}
				}
				b.ReportMetric(float64(requests.Load())/float64(b.N), "requests/op")
			})
		}
	}
}
