package blob

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
	"testing"
	"time"
)

// A fault is what a server does instead of answering.
type fault int

const (
	none      fault = iota
	refuse          // 500
	throttle        // 503 SlowDown
	drop            // the connection breaks before the answer
	cut             // the connection breaks in the middle of the body
	hang            // nothing comes
	hangLater       // nothing comes after half of the body
	mislead         // a part that ends cleanly, but early; of a whole object nobody could know, so it is cut
)

// A server speaks as much of S3 as is read: ListObjectsV2 and GetObject with Range and If-Match, of one bucket called "bucket".
type server struct {
	*httptest.Server
	pageSize int
	// answer replaces the answer to a request, if it returns true.
	answer func(w http.ResponseWriter, r *http.Request) bool
	// ignoreMatch has If-Match not be looked at.
	ignoreMatch bool

	mu      sync.Mutex
	objects map[string][]byte
	lists   int
	gets    int
	faults  func(r *http.Request) fault
	faulty  map[fault]int // how often
}

func newServer(t testing.TB, objects map[string][]byte) *server {
	s := &server{objects: objects, pageSize: 7, faulty: map[fault]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// url names what lies below a prefix, or an object.
func (s *server) url(path string) string { return "quick://bucket/" + path + "?endpoint=" + s.URL }

// failing has a tenth of the requests go wrong in one of these ways, by a sequence that is the same each time.
func failing(faults ...fault) func(*http.Request) fault {
	random := rand.New(rand.NewPCG(1, 2))
	return func(*http.Request) fault {
		if random.IntN(10) > 0 {
			return none
		}
		return faults[random.IntN(len(faults))]
	}
}

// first has the first request for an object go wrong.
func first(f fault) func(*http.Request) fault {
	done := false
	return func(r *http.Request) fault {
		if done || r.URL.Query().Has("list-type") {
			return none
		}
		done = true
		return f
	}
}

func (s *server) put(name string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[name] = content
}

// requests returns how many there were, and forgets them.
func (s *server) requests() (lists, gets int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lists, gets = s.lists, s.gets
	s.lists, s.gets = 0, 0
	return lists, gets
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.answer != nil && s.answer(w, r) {
		return
	}
	f := s.count(r)
	switch f {
	case refuse:
		refuseWith(w, http.StatusInternalServerError, "InternalError")
		return
	case throttle:
		refuseWith(w, http.StatusServiceUnavailable, "SlowDown")
		return
	case drop:
		panic(http.ErrAbortHandler)
	case hang:
		<-r.Context().Done()
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case bucket != "bucket":
		refuseWith(w, http.StatusNotFound, "NoSuchBucket")
	case r.URL.Query().Get("list-type") == "2":
		s.list(w, r, f)
	default:
		s.get(w, r, key, f)
	}
}

func (s *server) count(r *http.Request) fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Query().Has("list-type") {
		s.lists++
	} else {
		s.gets++
	}
	if s.faults == nil {
		return none
	}
	f := s.faults(r)
	s.faulty[f]++
	return f
}

func refuseWith(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>test</Message></Error>", code)
}

func (s *server) list(w http.ResponseWriter, r *http.Request, f fault) {
	type object struct {
		Key          string
		Size         int
		LastModified string
		ETag         string
	}
	var result struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []object
	}
	q := r.URL.Query()
	s.mu.Lock()
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if !strings.HasPrefix(key, q.Get("prefix")) || key <= q.Get("continuation-token") {
			continue
		}
		if len(result.Contents) == s.pageSize {
			result.IsTruncated = true
			result.NextContinuationToken = result.Contents[s.pageSize-1].Key
			break
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

func etag(content []byte) string { return fmt.Sprintf(`"%x"`, md5.Sum(content)) }

func (s *server) get(w http.ResponseWriter, r *http.Request, key string, f fault) {
	s.mu.Lock()
	content, ok := s.objects[key]
	s.mu.Unlock()
	if !ok {
		refuseWith(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	if tag := r.Header.Get("If-Match"); tag != "" && tag != etag(content) && !s.ignoreMatch {
		refuseWith(w, http.StatusPreconditionFailed, "PreconditionFailed")
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
			refuseWith(w, http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
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
func send(w http.ResponseWriter, r *http.Request, status int, body []byte, f fault) {
	half := len(body) / 2
	if f == mislead && status == http.StatusOK {
		f = cut
	} else if f == mislead {
		body = body[:half]
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	switch f {
	case cut, hangLater:
		_, _ = w.Write(body[:half]) // the client may be gone
		w.(http.Flusher).Flush()
		if f == cut {
			panic(http.ErrAbortHandler)
		}
		<-r.Context().Done()
	default:
		_, _ = w.Write(body)
	}
}
