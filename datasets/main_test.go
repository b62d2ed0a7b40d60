package datasets

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/goclr/goclr/pipeline"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedIngestEnv); dir != "" {
		runKilledIngest(dir)
		return
	}
	if name := os.Getenv(killedQuarantineEnv); name != "" {
		runKilledQuarantine(name)
		return
	}
	goleak.VerifyTestMain(m)
}

// A picture is what a Source says of one image.
type picture struct {
	label int32
	key   string
	bytes string
}

// tinyImage returns a JPEG of 8 by 8 pixels that differs from any other n.
func tinyImage(n int) string {
	pixels := make([]byte, 3*8*8)
	for i := range pixels {
		pixels[i] = byte(mix(7, n, i))
	}
	return string(appendJPEG(nil, pixels, 8, 8))
}

// members are the names and contents of a small data set.
func members(names ...string) []picture {
	list := make([]picture, len(names))
	for i, name := range names {
		list[i] = picture{key: name, bytes: tinyImage(i)}
	}
	return list
}

// tarBytes archives the members.
func tarBytes(t testing.TB, list []picture) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range list {
		if err := w.WriteHeader(&tar.Header{Name: m.key, Size: int64(len(m.bytes)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.bytes); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipBytes(t testing.TB, b []byte) []byte {
	t.Helper()
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return z.Bytes()
}

// writeTemp writes a file, with the folders above it, into a temporary folder or below dir.
func writeTemp(t testing.TB, dir, name string, content []byte) string {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func openSpec(t testing.TB, spec string) Dataset {
	t.Helper()
	d, err := Open(t.Context(), spec, Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// wantError opens a spec that must fail with a message that holds each of the parts.
func wantError(t *testing.T, spec string, parts ...string) {
	t.Helper()
	d, err := Open(context.Background(), spec, Options{TempDir: t.TempDir()})
	if err == nil {
		d.Close()
		t.Errorf("%s: opened, want an error with %q", spec, parts)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%s: error %q does not say %q", spec, err, p)
		}
	}
}

// pictures reads all images, backwards, since no order is promised.
func pictures(t testing.TB, d pipeline.Source) []picture {
	t.Helper()
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	list := make([]picture, d.Len())
	for i := len(list) - 1; i >= 0; i-- {
		if err := d.Read(t.Context(), i, s); err != nil {
			t.Fatal(err)
		}
		list[i] = picture{s.Label, s.Key, string(s.Bytes)}
	}
	return list
}

// outline is a list of "key=label".
func outline(list []picture) string {
	var b strings.Builder
	for _, p := range list {
		fmt.Fprintf(&b, "%s=%d ", p.key, p.label)
	}
	return strings.TrimSpace(b.String())
}

// realData returns a file of the shared data, or skips the test.
func realData(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("GOCLR_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	file := filepath.Join(dir, name)
	if _, err := os.Stat(file); err != nil {
		t.Skipf("%s is not there; set GOCLR_DATA to the folder with it", file)
	}
	return file
}
