package datasets

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/goclr/goclr/pipeline"
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

// TestTornQuarantine kills writers in the middle of a write: at every 19th byte of a record batch that overwrites the footer.
func TestTornQuarantine(t *testing.T) {
	list := badImages(12)
	first, all := writeQuarantine(t, list[:8]), writeQuarantine(t, list)
	before, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(all)
	if err != nil {
		t.Fatal(err)
	}
	end := len(before) - len(quarantineTail(make([]block, 2)))
	if !bytes.Equal(before[:end], after[:end]) || bytes.Equal(before[end:], after[end:len(before)]) {
		t.Fatal("the third batch does not begin where the footer was")
	}
	for at := end; at <= len(after); at += 19 {
		torn := append(slices.Clone(after[:at]), before[min(at, len(before)):]...)
		name := writeTemp(t, "", QuarantineName, torn)
		got := quarantined(t, name)
		if len(got) < 8 || !reflect.DeepEqual(got, list[:len(got)]) {
			t.Fatalf("torn at byte %d: %+v", at, got)
		}
		q, err := OpenQuarantine(name)
		if err != nil {
			t.Fatalf("torn at byte %d: %v", at, err)
		}
		if found := byArrow(t, name); len(found) != len(got) {
			t.Errorf("torn at byte %d: opened, it holds %d images for Arrow, want %d", at, len(found), len(got))
		}
		addAll(t, q, list)
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		if found := byArrow(t, name); !reflect.DeepEqual(found, list) {
			t.Errorf("torn at byte %d, then completed: %+v", at, found)
		}
	}
}

// killedQuarantineEnv makes the test binary a writer of bad images that waits to be killed, see TestKilledQuarantine.
const killedQuarantineEnv = "GOCLR_TEST_KILLED_QUARANTINE"

// runKilledQuarantine says on standard output after each flush how many images are on disk.
func runKilledQuarantine(name string) {
	q, err := OpenQuarantine(name)
	if err != nil {
		panic(err)
	}
	for id := uint64(q.Len()); ; id++ {
		_, err := q.Add(BadImage{ID: id, Key: "k", Bytes: make([]byte, 100<<10)})
		if err = errors.Join(err, q.Flush()); err != nil {
			panic(err)
		}
		fmt.Println(id + 1)
	}
}

// TestKilledQuarantine kills one writer after the other with SIGKILL: what each has flushed must be there, and the next goes on.
func TestKilledQuarantine(t *testing.T) {
	name := filepath.Join(t.TempDir(), QuarantineName)
	r := rand.New(rand.NewPCG(1, 2))
	flushed := 0
	for round := range 8 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), killedQuarantineEnv+"="+name)
		stdout, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		for range 1 + r.IntN(20) {
			if _, err := fmt.Fscanln(stdout, &flushed); err != nil {
				t.Fatal(err)
			}
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for { // what it had said before it died
			if _, err := fmt.Fscanln(stdout, &flushed); err != nil {
				break
			}
		}
		child.Wait()
		if got := len(quarantined(t, name)); got < flushed || got > flushed+1 {
			t.Errorf("round %d: %d images, %d were flushed", round, got, flushed)
		}
	}
}

// TestQuarantineOnFullDisk runs out of room at each of its writes: the error says what to do, and what was flushed stays whole.
func TestQuarantineOnFullDisk(t *testing.T) {
	list := badImages(9)
	for room := 0; room < 5000; room += 97 {
		name := filepath.Join(t.TempDir(), QuarantineName)
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		left := room
		q := newQuarantine(name, func(name string) (outputFile, error) {
			f, err := createFile(name)
			return fullDisk{&left, f}, err
		}, mem)
		flushed := 0
		var err error
		for i, b := range list {
			if _, err = q.Add(b); err != nil {
				t.Fatal(err)
			}
			if err = q.Flush(); err != nil {
				break
			}
			flushed = i + 1
		}
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "make room") || !strings.Contains(err.Error(), name) {
			t.Errorf("room for %d bytes: error %v", room, err)
		}
		if _, again := q.Add(list[0]); again == nil {
			t.Errorf("room for %d bytes: it takes more after an error", room)
		}
		q.Close()
		mem.AssertSize(t, 0)
		if !missing(name + ".partial") {
			t.Errorf("room for %d bytes: a temporary file is left", room)
		}
		if missing(name) {
			if flushed > 0 {
				t.Errorf("room for %d bytes: no file", room)
			}
			continue
		}
		if got := quarantined(t, name); !slices.EqualFunc(got, list[:flushed], func(a, b BadImage) bool { return a.ID == b.ID }) {
			t.Errorf("room for %d bytes: %d images, %d were flushed", room, len(got), flushed)
		}
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

// TestDamagedQuarantine flips a bit in every fifth byte of a file, and cuts it there: reading may fail, but must neither crash nor end late.
func TestDamagedQuarantine(t *testing.T) {
	whole, err := os.ReadFile(writeQuarantine(t, badImages(5)))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), QuarantineName)
	try := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
		n := 0
		for bad, err := range ReadQuarantine(name) {
			if n++; n > len(whole) {
				t.Fatal("it goes on and on")
			}
			_ = bytes.Count(bad.Bytes, []byte{1})
			_ = err
		}
	}
	for at := 0; at < len(whole); at += 5 {
		b := slices.Clone(whole)
		b[at] ^= 1 << (at % 8)
		try(b)
		try(whole[:at])
	}
}

// TestShortValidity: fewer bits for nulls than rows are a damage, not a crash.
func TestShortValidity(t *testing.T) {
	name := filepath.Join(t.TempDir(), QuarantineName)
	q, err := OpenQuarantine(name)
	if err != nil {
		t.Fatal(err)
	}
	addAll(t, q, badImages(30))
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f := flat{b: b}
	batch := f.root(f.field(f.root(int64(len(quarantineHead()))+8), 2))
	buffers, n := f.vector(batch, 2)
	if n != 16 || f.i64(buffers+16*13+8) < 4 {
		t.Fatalf("the last but two of %d buffers are no bits for 30 rows", n)
	}
	copy(b[buffers+16*13+8:], []byte{3, 0, 0, 0, 0, 0, 0, 0})
	if _, _, err := parseArrow(b, quarantineColumns); err == nil {
		t.Error("it is taken for whole")
	}
}

func FuzzReadQuarantine(f *testing.F) {
	whole, err := os.ReadFile(writeQuarantine(f, badImages(9)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-20])
	f.Add(emptyQuarantine())
	name := filepath.Join(f.TempDir(), QuarantineName)
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
		for bad := range ReadQuarantine(name) {
			_ = bytes.Count(bad.Bytes, []byte{1})
		}
	})
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

// A faultySource gives images but for some.
type faultySource struct{ Dataset }

func (f faultySource) Read(ctx context.Context, i int, s *pipeline.Sample) error {
	err := f.Dataset.Read(ctx, i, s)
	switch i {
	case 3:
		return errors.New("no such block")
	case 4:
		panic("a bug of the source")
	}
	return err
}

// pale fails for some images and counts as a stage.
type pale struct{}

func (pale) Apply(s *pipeline.Sample) error {
	switch s.ID {
	case 5:
		return errors.New("too pale")
	case 6:
		panic("no colours")
	}
	s.Next(2, 2)
	s.Swap()
	return nil
}

func (pale) Shape(pipeline.Shape) (pipeline.Shape, error) {
	return pipeline.Shape{H: 2, W: 2, C: 3}, nil
}

// TestQuarantineOfTraining sets aside what a pipeline reports, each image once, over several epochs.
func TestQuarantineOfTraining(t *testing.T) {
	src := faultySource{openSpec(t, "synthetic:n=20,size=8")}
	name := filepath.Join(t.TempDir(), QuarantineName)
	q, err := OpenQuarantine(name)
	if err != nil {
		t.Fatal(err)
	}
	added, told := 0, 0
	p, err := pipeline.New(src, pipeline.Options{Batch: 4, Epochs: 3, Seed: 1, MaxBad: 1, OnBad: func(e *pipeline.SampleError) {
		told++
		isNew, err := q.AddSample(t.Context(), src, e)
		if err != nil {
			t.Error(err)
		}
		if isNew {
			added++
		}
	}}, pale{})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range p.Batches(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if added != 4 || told < 12 {
		t.Errorf("%d of %d were added, want 4 of at least 12", added, told)
	}
	got := quarantined(t, name)
	slices.SortFunc(got, func(a, b BadImage) int { return int(a.ID) - int(b.ID) })
	images := pictures(t, src.Dataset)
	for i, want := range []BadImage{
		{ID: 3, Stage: StageRead, Reason: "no such block"},
		{ID: 4, Stage: StageRead, Reason: "panic: a bug of the source"},
		{ID: 5, Stage: "pale", Reason: "too pale", Bytes: []byte(images[5].bytes)},
		{ID: 6, Stage: "pale", Reason: "panic: no colours", Bytes: []byte(images[6].bytes)},
	} {
		want.Key, want.Label = images[want.ID].key, images[want.ID].label
		if i >= len(got) || !reflect.DeepEqual(got[i], want) {
			t.Errorf("image %d of %+v, want %+v", i, got, want)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	q, err = OpenQuarantine(name)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if added, err := q.AddSample(ctx, src, &pipeline.SampleError{ID: 7, Err: errors.New("x")}); added || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: added %t, %v", added, err)
	}
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
