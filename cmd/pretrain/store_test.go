//go:build !nocloud

package main

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goclr/goclr/datasets"
)

// A store serves a folder as S3 does its objects, and counts what is asked of it.
type store struct {
	dir string

	mu   sync.Mutex
	gets map[string]int // by name
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/bucket/")
	content, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "<Error><Code>NoSuchKey</Code></Error>")
		return
	}
	s.mu.Lock()
	s.gets[name]++
	s.mu.Unlock()
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, md5.Sum(content)))
	http.ServeContent(w, r, name, time.Unix(1e9, 0), bytes.NewReader(content))
}

// shardsRead returns how many shards were asked for, and forgets it.
func (s *store) shardsRead() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for name := range s.gets {
		if strings.HasSuffix(name, ".arrow") {
			n++
		}
	}
	clear(s.gets)
	return n
}

// TestStoreAndDiskGiveTheSameWeights trains on shards of a store, once with an empty cache and once with a full one, and on the same shards
// on the disk.
func TestStoreAndDiskGiveTheSameWeights(t *testing.T) {
	src, err := datasets.Open(t.Context(), "synthetic:n=64", datasets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dir := t.TempDir()
	check := func([]byte) (int, int, error) { return 32, 32, nil }
	if _, err := datasets.Ingest(t.Context(), src, filepath.Join(dir, "shards"), datasets.IngestOptions{Check: check, ShardBytes: 16 << 10}); err != nil {
		t.Fatal(err)
	}
	shards, err := filepath.Glob(filepath.Join(dir, "shards", "*.arrow"))
	if err != nil || len(shards) < 2 {
		t.Fatalf("shards are %q, %v", shards, err)
	}
	s := &store{dir: dir, gets: map[string]int{}}
	server := httptest.NewServer(s)
	defer server.Close()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_CONFIG_FILE": os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	cache := t.TempDir()
	train := func(data string) string {
		run := t.TempDir()
		if code, out := pretrain(t, small(t, run, "-data", data, "-cache-dir", cache, "-epochs", "1", "-max-steps", "0", "-window", "32")...); code != 0 {
			t.Fatalf("%s: exit code %d: %s", data, code, out)
		}
		return weightsDigest(t, run)
	}
	want := train(filepath.Join(dir, "shards"))
	for round, reads := range []int{len(shards), 0} {
		if got := train("s3://bucket/shards?endpoint=" + server.URL); got != want {
			t.Errorf("round %d: weights %s from the store, %s from the disk", round, got, want)
		}
		if got := s.shardsRead(); got != reads {
			t.Errorf("round %d: %d of %d shards were read, want %d", round, got, len(shards), reads)
		}
	}
}
