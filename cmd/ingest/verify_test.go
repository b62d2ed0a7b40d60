package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
)

// flip changes one bit in the middle of where part occurs in a file.
func flip(t *testing.T, file string, part []byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, part)
	if at < 0 {
		t.Fatal("the file does not hold the part")
	}
	b[at+len(part)/2] ^= 4
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestVerifyDecodes finds images that were taken for good by whoever wrote the shards, though their checksums are right.
func TestVerifyDecodes(t *testing.T) {
	bad := map[string][]byte{"cat/0.jpg": []byte("text"), "owl/big.png": encodePNG(t, drawScene(30, 20, 255))}
	src, err := datasets.Open(t.Context(), photos(t, bad), datasets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	shards := filepath.Join(t.TempDir(), "shards")
	trusting := func([]byte) (int, int, error) { return 20, 10, nil }
	if _, err := datasets.Ingest(t.Context(), src, shards, datasets.IngestOptions{Check: trusting}); err != nil {
		t.Fatal(err)
	}
	saysAll(t, cli.ExitOK, []string{"10 images in 1 shards", "every checksum matches\n"}, "verify", shards)
	for _, workers := range []string{"1", "3"} {
		saysAll(t, cli.ExitFailure, []string{"the checksums match, but of 10 images 2 are bad", " cat/0.jpg: not a JPEG",
			" owl/big.png: it decodes to 30 x 20 pixels, and was stored as 20 x 10", "2 bad"}, "verify", shards, "-decode", "-workers", workers)
	}

	good := filepath.Join(t.TempDir(), "shards")
	if err := run(t.Context(), []string{"-in", photos(t, nil), "-out", good}); err != nil {
		t.Fatal(err)
	}
	saysAll(t, cli.ExitOK, []string{"every checksum matches, every image decodes\n"}, "verify", "-decode", good)
	saysAll(t, cli.ExitFailure, []string{"8 are bad", "-max-pixels"}, "verify", "-decode", good, "-max-pixels", "199")
}

// TestFaults keeps the first, in order, whatever order they come in.
func TestFaults(t *testing.T) {
	var f faults
	if f.err() != nil || f.count() != "" {
		t.Errorf("none: %v", f.err())
	}
	for i := range 101 {
		f.add(i*37%101, fmt.Sprintf("image %d\x1b", i*37%101))
	}
	lines := strings.Split(f.err().Error(), "\n")
	if len(lines) != maxFaults+2 || lines[0] != "101 are bad:" || lines[1] != "  #0 image 0\uFFFD" || lines[20] != "  #19 image 19\uFFFD" ||
		lines[21] != "  and 81 more" || f.count() != "  101 bad" {
		t.Errorf("%q", lines)
	}
}
