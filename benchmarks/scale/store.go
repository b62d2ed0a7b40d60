package main

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// prefix is what the names of all objects begin with.
const prefix = "photos/"

// pageSize is how many objects a listing has, as in S3.
const pageSize = 1000

// A store speaks as much of S3 as ingest asks: it has a bucket called "bucket" with the images of a collection below "photos/", which it
// makes when they are asked for, and answers after a delay.
type store struct {
	*collection
	images int
	delay  time.Duration
}

type listing struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	IsTruncated           bool
	NextContinuationToken string `xml:",omitempty"`
	Contents              []object
	CommonPrefixes        []folder
}

type object struct {
	Key, LastModified, ETag string
	Size                    int
}

type folder struct{ Prefix string }

// ServeHTTP answers a request.
func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	time.Sleep(s.delay)
	if r.URL.Query().Has("list-type") {
		s.list(w, r)
		return
	}
	n, err := number(strings.TrimPrefix(r.URL.Path, "/bucket/"+prefix))
	if err != nil || n < 0 || n >= s.images || r.URL.Path != "/bucket/"+prefix+name(n) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "<Error><Code>NoSuchKey</Code></Error>")
		return
	}
	w.Header().Set("ETag", etag(n))
	_, _ = w.Write(s.image(n)) // whoever has gone needs no answer
}

// list answers with a page of objects, in the order of their names: class by class.
func (s *store) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	asked := q.Get("prefix")
	var l listing
	class := -1 // all
	switch _, err := fmt.Sscanf(asked, prefix+"class-%d/", &class); {
	case err == nil:
	case asked != prefix && asked != "":
		class = classes // none is called so
	case q.Get("delimiter") != "" && asked == prefix:
		for k := range classes {
			l.CommonPrefixes = append(l.CommonPrefixes, folder{fmt.Sprintf("%sclass-%03d/", prefix, k)})
		}
		class = classes
	}
	at, _ := strconv.Atoi(q.Get("continuation-token")) // none is the start
	for ; len(l.Contents) < pageSize; at++ {
		n := s.ordered(class, at)
		if n < 0 {
			break
		}
		l.Contents = append(l.Contents, object{Key: prefix + name(n), LastModified: "2026-01-02T03:04:05.000Z", ETag: etag(n), Size: len(s.image(n))})
	}
	if s.ordered(class, at) >= 0 {
		l.IsTruncated, l.NextContinuationToken = true, strconv.Itoa(at)
	}
	b, err := xml.Marshal(l)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(b)
}

// ordered is the number of the image at a place among those of a class, or of all; -1 behind the last.
func (s *store) ordered(class, place int) int {
	for k := max(class, 0); k < classes && (class < 0 || k == class); k++ {
		of := (s.images - k + classes - 1) / classes // images of class k
		if place < of {
			return k + place*classes
		}
		place -= of
	}
	return -1
}

func etag(n int) string { return fmt.Sprintf(`"%032x"`, n) }
