// Package s3test has a server on loopback that speaks as much of S3 as datasets read, and fails as it is told to: for tests, and for
// benchmarks/faults.
package s3test

import (
	"crypto/md5"
	"encoding/xml"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Fault is what a server does instead of answering.
type Fault int

// What may go wrong with a request.
const (
	None      Fault = iota
	Refuse          // 500
	Throttle        // 503 SlowDown
	Busy            // 429
	Drop            // the connection breaks before the answer
	Cut             // the connection breaks in the middle of the body
	Hang            // nothing comes
	HangLater       // nothing comes after half of the body
	Mislead         // a part that ends cleanly, but early; of a whole object nobody could know, so it is cut
)

// A Server speaks ListObjectsV2, with Delimiter too, and GetObject with Range and If-Match, of one bucket called "bucket". Its exported
// fields are set before it is asked for anything.
type Server struct {
	*httptest.Server
	// PageSize is how many objects a listing has at most.
	PageSize int
	// Answer replaces the answer to a request, if it returns true.
	Answer func(w http.ResponseWriter, r *http.Request) bool
	// IgnoreMatch has If-Match not be looked at.
	IgnoreMatch bool
	// Faults says what goes wrong with a request. Its calls come one at a time.
	Faults func(r *http.Request) Fault

	mu      sync.Mutex
	objects map[string][]byte
	keys    []string // in order; nil: to be sorted
	lists   int
	gets    int
	faulty  map[Fault]int // how often
}

// New starts a server with these objects, which are its own then. Close ends it.
func New(objects map[string][]byte) *Server {
	s := &Server{objects: objects, PageSize: 7, faulty: map[Fault]int{}}
	s.Server = httptest.NewServer(s)
	return s
}

// Some has a share of the requests go wrong in one of these ways, by a sequence that is the same each time.
func Some(share float64, seed uint64, faults ...Fault) func(*http.Request) Fault {
	random := rand.New(rand.NewPCG(seed, 2))
	return func(*http.Request) Fault {
		if random.Float64() >= share {
			return None
		}
		return faults[random.IntN(len(faults))]
	}
}

// IsList reports whether a request lists objects.
func IsList(r *http.Request) bool { return r.URL.Query().Has("list-type") }

// First has the first n requests for an object go wrong.
func First(n int, f Fault) func(*http.Request) Fault {
	return func(r *http.Request) Fault {
		if n == 0 || IsList(r) {
			return None
		}
		n--
		return f
	}
}

// Put makes or replaces an object.
func (s *Server) Put(name string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[name], s.keys = content, nil
}

// Get returns the content of an object, which must not be changed; nil if there is none.
func (s *Server) Get(name string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[name]
}

// Remove takes an object away.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, name)
	s.keys = nil
}

// Requests returns how many there were, and forgets them.
func (s *Server) Requests() (lists, gets int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lists, gets = s.lists, s.gets
	s.lists, s.gets = 0, 0
	return lists, gets
}

// Faulty is how often a fault has happened.
func (s *Server) Faulty(f Fault) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faulty[f]
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.Answer != nil && s.Answer(w, r) {
		return
	}
	f := s.count(r)
	switch f {
	case Refuse:
		RefuseWith(w, http.StatusInternalServerError, "InternalError")
		return
	case Throttle:
		RefuseWith(w, http.StatusServiceUnavailable, "SlowDown")
		return
	case Busy:
		RefuseWith(w, http.StatusTooManyRequests, "TooManyRequests")
		return
	case Drop:
		panic(http.ErrAbortHandler)
	case Hang:
		<-r.Context().Done()
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case bucket != "bucket":
		RefuseWith(w, http.StatusNotFound, "NoSuchBucket")
	case IsList(r):
		s.list(w, r, f)
	default:
		s.get(w, r, key, f)
	}
}

func (s *Server) count(r *http.Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if IsList(r) {
		s.lists++
	} else {
		s.gets++
	}
	if s.Faults == nil {
		return None
	}
	f := s.Faults(r)
	s.faulty[f]++
	return f
}

// RefuseWith answers with a status other than 200, and a word that S3 has for it.
func RefuseWith(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>test</Message></Error>", code)
}

func (s *Server) list(w http.ResponseWriter, r *http.Request, f Fault) {
	type object struct {
		Key          string
		Size         int
		LastModified string
		ETag         string
	}
	type folder struct{ Prefix string }
	var result struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []object
		CommonPrefixes        []folder
	}
	q := r.URL.Query()
	prefix, delimiter, last := q.Get("prefix"), q.Get("delimiter"), q.Get("continuation-token")
	size := s.PageSize
	if q.Has("max-keys") {
		size = min(size, number(q.Get("max-keys")))
	}
	s.mu.Lock()
	keys := s.sorted()
	from, _ := slices.BinarySearch(keys, max(prefix, last))
	for _, key := range keys[from:] {
		below, ok := strings.CutPrefix(key, prefix)
		if !ok {
			break
		}
		entry := key
		name, _, isFolder := strings.Cut(below, delimiter)
		if isFolder = isFolder && delimiter != ""; isFolder {
			entry = prefix + name + delimiter
		}
		if entry <= last {
			continue
		}
		if len(result.Contents)+len(result.CommonPrefixes) == size {
			result.IsTruncated, result.NextContinuationToken = true, last
			break
		}
		if last = entry; isFolder {
			result.CommonPrefixes = append(result.CommonPrefixes, folder{entry})
			continue
		}
		result.Contents = append(result.Contents, object{key, len(s.objects[key]), "2026-01-02T03:04:05.000Z", etag(s.objects[key])})
	}
	s.mu.Unlock()
	b, err := xml.Marshal(result)
	if err != nil {
		panic(err)
	}
	send(w, r, http.StatusOK, b, f)
}

// sorted returns all keys in order.
func (s *Server) sorted() []string {
	if s.keys == nil {
		s.keys = slices.Sorted(maps.Keys(s.objects))
	}
	return s.keys
}

func etag(content []byte) string { return fmt.Sprintf(`"%x"`, md5.Sum(content)) }

func (s *Server) get(w http.ResponseWriter, r *http.Request, key string, f Fault) {
	s.mu.Lock()
	content, ok := s.objects[key]
	s.mu.Unlock()
	if !ok {
		RefuseWith(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	if tag := r.Header.Get("If-Match"); tag != "" && tag != etag(content) && !s.IgnoreMatch {
		RefuseWith(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	}
	status, size := http.StatusOK, len(content)
	from, to := 0, size
	if bounds, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		a, b, _ := strings.Cut(bounds, "-")
		from = number(a)
		if b != "" {
			to = min(to, number(b)+1)
		}
		if from >= size {
			RefuseWith(w, http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
			return
		}
		status = http.StatusPartialContent
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, size))
	}
	w.Header().Set("ETag", etag(content))
	w.Header().Set("Last-Modified", time.Unix(1e9, 0).UTC().Format(http.TimeFormat))
	send(w, r, status, content[from:to], f)
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// send answers with a body, or with half of it.
func send(w http.ResponseWriter, r *http.Request, status int, body []byte, f Fault) {
	half := len(body) / 2
	if f == Mislead && status == http.StatusOK {
		f = Cut
	} else if f == Mislead {
		body = body[:half]
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	switch f {
	case Cut, HangLater:
		_, _ = w.Write(body[:half]) // the client may be gone
		w.(http.Flusher).Flush()
		if f == Cut {
			panic(http.ErrAbortHandler)
		}
		<-r.Context().Done()
	default:
		_, _ = w.Write(body)
	}
}
