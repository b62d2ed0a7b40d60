package datasets

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// quarantined returns the bad images of a file or folder.
func quarantined(t testing.TB, name string) []BadImage {
	t.Helper()
	var list []BadImage
	for bad, err := range ReadQuarantine(name) {
		if err != nil {
			t.Fatal(err)
		}
		if bad.Bytes != nil {
			bad.Bytes = append([]byte{}, bad.Bytes...)
		}
		list = append(list, bad)
	}
	return list
}

// badImages are n of every kind: every third has no bytes, others none or many.
func badImages(n int) []BadImage {
	list := make([]BadImage, n)
	for i := range list {
		list[i] = BadImage{ID: uint64(i * i), Key: fmt.Sprintf("a/%d \u00e9.jpg", i), Label: int32(i%4 - 1),
			Stage: []string{StageRead, StageDecode, "Flip"}[i%3], Reason: fmt.Sprint("error ", i)}
		if i%3 > 0 {
			list[i].Bytes = bytes.Repeat([]byte{byte(i)}, 37*(i%5))
		}
	}
	return list
}

func addAll(t testing.TB, q *Quarantine, list []BadImage) {
	t.Helper()
	for _, b := range list {
		if _, err := q.Add(b); err != nil {
			t.Fatal(err)
		}
	}
}

// writeQuarantine writes the images to a new file, four to a record batch.
func writeQuarantine(t testing.TB, list []BadImage) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), QuarantineName)
	q, err := OpenQuarantine(name)
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(list, 4) {
		addAll(t, q, part)
		if err := q.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// byArrow reads a quarantine with Arrow's own reader.
func byArrow(t testing.TB, name string) []BadImage {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	r, err := ipc.NewFileReader(f, ipc.WithAllocator(mem))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if !r.Schema().Equal(quarantineSchema) {
		t.Errorf("schema %v", r.Schema())
	}
	var list []BadImage
	for k := range r.NumRecords() {
		rec, err := r.Record(k)
		if err != nil {
			t.Fatal(err)
		}
		text := func(column, row int) string { return strings.Clone(rec.Column(column).(*array.String).Value(row)) }
		for i := range int(rec.NumRows()) {
			b := BadImage{ID: rec.Column(badID).(*array.Uint64).Value(i), Key: text(badKey, i),
				Label: rec.Column(badLabel).(*array.Int32).Value(i), Stage: text(badStage, i), Reason: text(badError, i)}
			if image := rec.Column(badBytes).(*array.Binary); image.IsValid(i) {
				b.Bytes = append([]byte{}, image.Value(i)...)
			}
			list = append(list, b)
		}
	}
	return list
}

// TestQuarantineGoesOn writes in several processes, as it were, and reads what came of it in two ways.
func TestQuarantineGoesOn(t *testing.T) {
	list := badImages(50)
	name := filepath.Join(t.TempDir(), QuarantineName)
	for _, to := range []int{0, 1, 20, 20, 50} {
		q, err := OpenQuarantine(name)
		if err != nil {
			t.Fatal(err)
		}
		before := q.Len()
		for i, b := range list[:to] {
			if added, err := q.Add(b); err != nil || added != (i >= before) {
				t.Fatalf("image %d of %d: added %t, %v", i, to, added, err)
			}
			if i%7 == 6 {
				if err := q.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if q.Len() != to {
			t.Errorf("%d images, want %d", q.Len(), to)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		if to == 0 {
			if !missing(name) {
				t.Error("there is a file without images")
			}
			continue
		}
		if got := quarantined(t, name); !reflect.DeepEqual(got, list[:to]) {
			t.Errorf("%+v, want %+v", got, list[:to])
		}
		if got := byArrow(t, name); !reflect.DeepEqual(got, list[:to]) {
			t.Errorf("by Arrow: %+v, want %+v", got, list[:to])
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(name)); len(left) != 1 {
		t.Errorf("left %v", left)
	}
}

// TestQuarantineMemory adds far more than it may hold.
func TestQuarantineMemory(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	q := newQuarantine(filepath.Join(t.TempDir(), QuarantineName), createFile, mem)
	q.limit = 100 << 10
	for i := range 100 {
		if _, err := q.Add(BadImage{ID: uint64(i), Bytes: make([]byte, 20<<10)}); err != nil {
			t.Fatal(err)
		}
		if held := mem.CurrentAlloc(); held > 4*int(q.limit) {
			t.Fatalf("%d bytes are held after %d images", held, i+1)
		}
	}
	if _, err := q.Add(BadImage{ID: 1000, Bytes: make([]byte, MaxImageBytes+1)}); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	mem.AssertSize(t, 0)
	if got := quarantined(t, q.name); len(got) != 101 || len(got[99].Bytes) != 20<<10 || got[100].Bytes != nil {
		t.Errorf("%d images", len(got))
	}
}

func TestQuarantineIsLocked(t *testing.T) {
	name := filepath.Join(t.TempDir(), QuarantineName)
	q, err := OpenQuarantine(name)
	if err != nil {
		t.Fatal(err)
	}
	addAll(t, q, badImages(1))
	if err := q.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenQuarantine(name); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v", err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if q, err = OpenQuarantine(name); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := q.Add(BadImage{ID: 7}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed, it takes an image: %v", err)
	}
}

func TestNoQuarantine(t *testing.T) {
	dir := t.TempDir()
	shard := filepath.Join(makeShards(t), "shard-00000.arrow")
	for name, says := range map[string]string{
		dir:                                  "no such file",
		filepath.Join(dir, "missing"):        "no such file",
		writeTemp(t, "", "a", nil):           "empty",
		writeTemp(t, "", "a", []byte("x")):   "name a quarantine.arrow",
		writeTemp(t, "", "a", []byte(shard)): "name a quarantine.arrow",
		shard:                                "name a quarantine.arrow",
	} {
		n := 0
		for _, err := range ReadQuarantine(name) {
			n++
			if err == nil || !strings.Contains(err.Error(), says) || errors.Is(err, fs.ErrNotExist) != (says == "no such file") {
				t.Errorf("%s: %v, want %q", name, err, says)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d rows", name, n)
		}
	}
	if _, err := OpenQuarantine(shard); err == nil {
		t.Error("a shard opened as a quarantine")
	}
}

// TestOldQuarantine reads and verifies what ingest wrote before: a list and a folder of copies.
func TestOldQuarantine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shards")
	if _, err := Ingest(t.Context(), tarDataset(t, manyMembers(9, 0)), dir, IngestOptions{Check: refuse}); err != nil {
		t.Fatal(err)
	}
	writeTemp(t, dir, "quarantine/00000003-c.jpg", []byte("bad"))
	list := `{"index":3,"key":"b/c.jpg","label":1,"reason":"not an image","file":"quarantine/00000003-c.jpg",` +
		`"sha256":"` + hexSum("bad") + `"}` + "\n" +
		`{"index":4,"key":"b/d.jpg","label":-1,"reason":"gone"}` + "\n"
	writeTemp(t, dir, quarantineList, []byte(list))
	rewriteManifest(t, dir, func(m *manifest) { m.Quarantine = &quarantineManifest{Images: 2, SHA256: hexSum(list)} })
	want := []BadImage{
		{ID: 3, Key: "b/c.jpg", Label: 1, Stage: StageDecode, Reason: "not an image", Bytes: []byte("bad")},
		{ID: 4, Key: "b/d.jpg", Label: -1, Stage: StageRead, Reason: "gone"},
	}
	if got := quarantined(t, dir); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if r, err := Verify(t.Context(), dir, nil); err != nil || r.Quarantined != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	writeTemp(t, dir, "quarantine/00000003-c.jpg", []byte("baa"))
	if _, err := Verify(t.Context(), dir, nil); err == nil || !strings.Contains(err.Error(), "00000003-c.jpg") {
		t.Errorf("a changed copy: %v", err)
	}
}

func hexSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// pyarrow reads a quarantine that was written in several goes.
func TestQuarantineByPyArrow(t *testing.T) {
	python := pyArrow(t)
	list := badImages(10)
	out, err := exec.Command(python, filepath.Join("testdata", "read_quarantine.py"), writeQuarantine(t, list)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var want strings.Builder
	for _, b := range list {
		image := "none"
		if b.Bytes != nil {
			image = fmt.Sprintf("%x", b.Bytes)
		}
		fmt.Fprintf(&want, "%d|%s|%d|%s|%s|%s\n", b.ID, b.Key, b.Label, b.Stage, b.Reason, image)
	}
	if string(out) != want.String() {
		t.Errorf("pyarrow reads\n%s\nwant\n%s", out, want.String())
	}
}
