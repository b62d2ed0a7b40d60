//go:build !nocloud

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/datasets/blob/s3test"
	"github.com/goclr/goclr/stages"
)

// TestTrainFromStore trains on shards in a store that fails now and then, through a cache, and on the same shards on the disk: the weights
// are the same. Where the cache is too small for the order of the images, the user is warned.
func TestTrainFromStore(t *testing.T) {
	shards := filepath.Join(t.TempDir(), "shards")
	src, err := datasets.Open(t.Context(), "synthetic:n=64", datasets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	check := func(b []byte) (int, int, error) { return stages.Check(b, 0) }
	if _, err := datasets.Ingest(t.Context(), src, shards, datasets.IngestOptions{Check: check, ShardBytes: 16 << 10}); err != nil {
		t.Fatal(err)
	}
	objects, largest := map[string][]byte{}, 0
	files, err := os.ReadDir(shards)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(shards, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		objects["set/"+f.Name()] = b
		largest = max(largest, len(b))
	}
	if len(objects) < 4 {
		t.Fatalf("%d objects", len(objects))
	}
	server := s3test.New(objects)
	t.Cleanup(server.Close)
	server.Faults = s3test.Some(0.1, 1, s3test.Refuse, s3test.Cut, s3test.Drop)
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_REGION", "us-east-1")
	train := func(data string, more ...string) (weights, said string) {
		t.Helper()
		run := t.TempDir()
		code, said := pretrain(t, append(small(t, run, "-data", data), more...)...)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, said)
		}
		return weightsDigest(t, run), said
	}
	want, said := train(shards)
	if strings.Contains(said, "warning") {
		t.Errorf("local shards: %s", said)
	}
	url := "s3://bucket/set?endpoint=" + server.URL
	got, said := train(url, "-cache-dir", t.TempDir(), "-cache-limit", "1")
	if got != want {
		t.Errorf("weights %s, from the disk %s", got, want)
	}
	if strings.Contains(said, "warning") {
		t.Errorf("a cache with room for all: %s", said)
	}
	tight := []string{"-cache-dir", t.TempDir(), "-cache-limit", "0.00006"} // 64 kB
	got, said = train(url, tight...)
	if got != want {
		t.Errorf("with a tight cache, weights %s, from the disk %s", got, want)
	}
	if !strings.Contains(said, "-cache-limit keeps") || !strings.Contains(said, "-window") {
		t.Errorf("a cache of less than all shards, the largest %d bytes: no warning in %s", largest, said)
	}
}
