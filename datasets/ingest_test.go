package datasets

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
)

// accept takes every image for one of 8 by 9 pixels.
func accept([]byte) (int, int, error) { return 8, 9, nil }

// refuse takes images that begin with "bad" for bad ones.
func refuse(b []byte) (int, int, error) {
	if bytes.HasPrefix(b, []byte("bad")) {
		return 0, 0, errors.New("not an image: " + string(b))
	}
	return 8, 9, nil
}

// manyMembers are n images of three classes, with every badEvery'th bad, if that is not 0.
func manyMembers(n, badEvery int) []picture {
	list := make([]picture, n)
	for i := range list {
		list[i] = picture{key: fmt.Sprintf("class%d/%04d.jpg", i%3, i), bytes: tinyImage(i)}
		if badEvery > 0 && i%badEvery == badEvery-1 {
			list[i].bytes = fmt.Sprintf("bad %d", i)
		}
	}
	return list
}

func tarDataset(t testing.TB, list []picture) Dataset {
	t.Helper()
	return openSpec(t, writeTemp(t, "", "x.tar", tarBytes(t, list)))
}

// tree returns the content of every file below dir.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		within, _ := filepath.Rel(dir, name)
		files[within] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func sameTree(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for name, content := range a {
		if other, ok := b[name]; !ok || other != content {
			return false
		}
	}
	return true
}

func missing(name string) bool {
	_, err := os.Lstat(name)
	return errors.Is(err, fs.ErrNotExist)
}

// TestIngestIsRepeatable writes the same images again and again, with different numbers of workers: every byte of every
// file must be the same, and what is read back must be what went in.
func TestIngestIsRepeatable(t *testing.T) {
	src := tarDataset(t, manyMembers(100, 20))
	var first map[string]string
	for _, workers := range []int{1, 2, 7} {
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		dir := filepath.Join(t.TempDir(), "shards")
		calls := 0
		sum, err := Ingest(t.Context(), src, dir, IngestOptions{Check: refuse, MaxBad: 0.05, Workers: workers,
			ShardBytes: 20 << 10, allocator: mem, Progress: func(p IngestProgress) {
				calls++
				if p.Done != calls || p.Total != 100 || p.Bad > p.Done || p.Done == 100 && (p.Bad != 5 || p.Bytes == 0) {
					t.Errorf("progress %+v at call %d", p, calls)
				}
			}})
		mem.AssertSize(t, 0)
		if err != nil {
			t.Fatal(err)
		}
		if sum.Images != 95 || sum.Bad != 5 || sum.Shards < 3 || calls != 100 {
			t.Errorf("%+v after %d calls", sum, calls)
		}
		files := tree(t, dir)
		if first == nil {
			first = files
		} else if !sameTree(first, files) {
			t.Errorf("%d workers wrote other bytes", workers)
		}
		for name, content := range files {
			if strings.HasPrefix(name, "shard") && len(content) > 40<<10 {
				t.Errorf("%s has %d bytes, twice what shards have on average", name, len(content))
			}
		}
		if !missing(dir + ".partial") {
			t.Error("the staging folder is still there")
		}
		checkRoundTrip(t, src, openSpec(t, dir))
	}
}

// checkRoundTrip compares shards with their source, less its bad images.
func checkRoundTrip(t *testing.T, src, shards Dataset) {
	t.Helper()
	var want []picture
	for _, p := range pictures(t, src) {
		if !strings.HasPrefix(p.bytes, "bad") {
			want = append(want, p)
		}
	}
	slices.SortFunc(want, func(a, b picture) int { return cmp.Compare(keyID(a.key), keyID(b.key)) })
	got := pictures(t, shards)
	if len(got) != len(want) || strings.Join(shards.Classes(), " ") != strings.Join(src.Classes(), " ") {
		t.Fatalf("%d images of %q, want %d of %q", len(got), shards.Classes(), len(want), src.Classes())
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("image %d is %s, want %s", i, outline(got[i:i+1]), outline(want[i:i+1]))
		}
	}
}

// TestIngestOfShards writes shards from shards: other sizes, the same content and so the same fingerprint.
func TestIngestOfShards(t *testing.T) {
	src := tarDataset(t, manyMembers(30, 0))
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	if _, err := Ingest(t.Context(), src, a, IngestOptions{Check: accept}); err != nil {
		t.Fatal(err)
	}
	if _, err := Ingest(t.Context(), openSpec(t, a), b, IngestOptions{Check: accept, ShardBytes: 9000}); err != nil {
		t.Fatal(err)
	}
	checkRoundTrip(t, openSpec(t, a), openSpec(t, b))
	if openSpec(t, a).Fingerprint() != openSpec(t, b).Fingerprint() {
		t.Error("the fingerprint depends on the size of shards")
	}
	other := filepath.Join(t.TempDir(), "c")
	if _, err := Ingest(t.Context(), tarDataset(t, manyMembers(29, 0)), other, IngestOptions{Check: accept}); err != nil {
		t.Fatal(err)
	}
	if openSpec(t, a).Fingerprint() == openSpec(t, other).Fingerprint() {
		t.Error("other images have the same fingerprint")
	}
}

func TestIngestWithoutLabels(t *testing.T) {
	src := tarDataset(t, []picture{{key: "a\xff.jpg", bytes: tinyImage(1)}, {key: "empty.jpg"}})
	dir := filepath.Join(t.TempDir(), "shards")
	if _, err := Ingest(t.Context(), src, dir, IngestOptions{Check: accept}); err != nil {
		t.Fatal(err)
	}
	d := openSpec(t, dir)
	want := []picture{{-1, `a\xff.jpg`, tinyImage(1)}, {-1, "empty.jpg", ""}}
	if got := pictures(t, d); len(got) != 2 || got[0] != want[0] || got[1] != want[1] || len(d.Classes()) != 0 {
		t.Errorf("%q of classes %q", got, d.Classes())
	}
}

func TestQuarantine(t *testing.T) {
	list := manyMembers(8, 0)
	list[2].bytes = "bad two"
	list[5] = picture{key: "class1/a b\u00e9.jpg", bytes: "bad five"}
	src := tarDataset(t, list)
	dir := filepath.Join(t.TempDir(), "shards")
	check := func(b []byte) (int, int, error) {
		if string(b) == tinyImage(7) {
			panic("segmentation fault")
		}
		return refuse(b)
	}
	if _, err := Ingest(t.Context(), src, dir, IngestOptions{Check: check, MaxBad: 0.4}); err != nil {
		t.Fatal(err)
	}
	want := []BadImage{
		{ID: 2, Key: "class2/0002.jpg", Label: 2, Reason: "not an image: bad two"},
		{ID: 5, Key: "class1/a b\u00e9.jpg", Label: 1, Reason: "not an image: bad five"},
		{ID: 7, Key: "class1/0007.jpg", Label: 1, Reason: "the decoder panicked: segmentation fault"},
	}
	for i := range want {
		want[i].Stage, want[i].Bytes = StageDecode, []byte(list[want[i].ID].bytes)
	}
	bad := quarantined(t, dir)
	slices.SortFunc(bad, func(a, b BadImage) int { return cmp.Compare(a.ID, b.ID) })
	if !reflect.DeepEqual(bad, want) {
		t.Errorf("the quarantine holds %+v, want %+v", bad, want)
	}
	if r, err := Verify(t.Context(), dir, nil); err != nil || r.Quarantined != 3 || r.Images != 5 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestUnreadableImages has a source that cannot give some images at all: shards with a damaged one.
func TestUnreadableImages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	if _, err := Ingest(t.Context(), tarDataset(t, manyMembers(10, 0)), dir, IngestOptions{Check: accept}); err != nil {
		t.Fatal(err)
	}
	flip(t, filepath.Join(dir, "shard-00000.arrow"), tinyImage(4))
	out := filepath.Join(t.TempDir(), "b")
	sum, err := Ingest(t.Context(), openSpec(t, dir), out, IngestOptions{Check: accept, MaxBad: 0.1})
	if err != nil || sum.Bad != 1 || sum.Images != 9 {
		t.Fatalf("%+v, %v", sum, err)
	}
	bad := quarantined(t, out)
	if len(bad) != 1 || !strings.Contains(bad[0].Reason, "shard-00000.arrow row ") || bad[0].Stage != StageRead ||
		bad[0].Bytes != nil || bad[0].Label != 1 {
		t.Errorf("quarantine %+v", bad)
	}
	if _, err := Verify(t.Context(), out, nil); err != nil {
		t.Error(err)
	}
}

// shardWith is the shard that holds an image.
func shardWith(t testing.TB, dir, image string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "shard-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(image)) {
			return name
		}
	}
	t.Fatal("no shard holds the image")
	return ""
}

// flip changes one bit in the middle of where part occurs in a file.
func flip(t testing.TB, file, part string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte(part))
	if at < 0 {
		t.Fatal("the file does not hold the part")
	}
	b[at+len(part)/2] ^= 4
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTooManyBad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shards")
	src := tarDataset(t, manyMembers(100, 10))
	for range 2 { // the second time replaces the first quarantine
		_, err := Ingest(t.Context(), src, dir, IngestOptions{Check: refuse, MaxBad: 0.049})
		var tooMany *TooManyBadError
		if !errors.As(err, &tooMany) || tooMany.Bad != 5 || tooMany.Allowed != 4 || len(tooMany.First) != 3 {
			t.Fatalf("error %v", err)
		}
		for _, part := range []string{"than the 4 of 100", "-max-bad", ".jpg: not an image: bad ",
			dir + ".quarantine.arrow has"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("error %q does not say %q", err, part)
			}
		}
		if kept := quarantined(t, dir+".quarantine.arrow"); len(kept) != 5 || !bytes.HasPrefix(kept[4].Bytes, []byte("bad ")) {
			t.Errorf("the quarantine has %+v", kept)
		}
		if !missing(dir) || !missing(dir+".partial") {
			t.Error("something is left of the shards")
		}
	}
	_, err := Ingest(t.Context(), tarDataset(t, manyMembers(4, 1)), dir, IngestOptions{Check: refuse, MaxBad: 1})
	if err == nil || !strings.Contains(err.Error(), "no image is left") || !missing(dir) {
		t.Errorf("all images bad: %v", err)
	}
	if _, err := Ingest(t.Context(), src, dir, IngestOptions{Check: refuse, MaxBad: 0.5, Replace: true}); err != nil || !missing(dir+".quarantine.arrow") {
		t.Errorf("%v; or the quarantine of the ingests that failed is left beside that of this one", err)
	}
}

func TestIngestOptions(t *testing.T) {
	src := tarDataset(t, manyMembers(1, 0))
	dir := filepath.Join(t.TempDir(), "shards")
	for _, o := range []IngestOptions{{}, {Check: accept, MaxBad: -1}, {Check: accept, MaxBad: 1.5},
		{Check: accept, Workers: -1}, {Check: accept, ShardBytes: -1}} {
		if _, err := Ingest(t.Context(), src, dir, o); err == nil || !missing(dir) {
			t.Errorf("%+v: error %v", o, err)
		}
	}
}

// A diskRoom is what is left of a disk, whose files are written by several goroutines.
type diskRoom struct {
	sync.Mutex
	bytes int
}

func (r *diskRoom) take(want int) (n int) {
	r.Lock()
	defer r.Unlock()
	n = min(want, r.bytes)
	r.bytes -= n
	return n
}

// A fullDisk lets through a number of bytes and then has no more room.
type fullDisk struct {
	room *diskRoom
	f    outputFile
}

func (d fullDisk) Write(b []byte) (int, error) {
	n := d.room.take(len(b))
	written, err := d.f.Write(b[:n])
	if err == nil && n < len(b) {
		err = &fs.PathError{Op: "write", Path: "file", Err: syscall.ENOSPC}
	}
	return written, err
}
func (d fullDisk) WriteAt(b []byte, at int64) (int, error) {
	n := d.room.take(len(b))
	written, err := d.f.WriteAt(b[:n], at)
	if err == nil && n < len(b) {
		err = &fs.PathError{Op: "write", Path: "file", Err: syscall.ENOSPC}
	}
	return written, err
}
func (d fullDisk) Truncate(size int64) error { return d.f.Truncate(size) }
func (d fullDisk) Sync() error               { return d.f.Sync() }
func (d fullDisk) Close() error              { return d.f.Close() }

// TestFullDisk runs out of room in shards, the quarantine, the manifest: the error says so, and with room it
// goes on, to the same bytes.
func TestFullDisk(t *testing.T) {
	src := tarDataset(t, manyMembers(40, 10))
	whole := filepath.Join(t.TempDir(), "whole")
	size := 0
	if _, err := Ingest(t.Context(), src, whole, IngestOptions{Check: refuse, MaxBad: 0.5, ShardBytes: 9000}); err != nil {
		t.Fatal(err)
	}
	for _, content := range tree(t, whole) {
		size += len(content)
	}
	most := 0 // shards that were kept
	for room := 0; room < size; room += size/23 + 1 {
		left := &diskRoom{bytes: room}
		parent := t.TempDir()
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		_, err := Ingest(t.Context(), src, filepath.Join(parent, "shards"), IngestOptions{Check: refuse, MaxBad: 0.5,
			ShardBytes: 9000, allocator: mem, create: func(name string) (outputFile, error) {
				f, err := createFile(name)
				return fullDisk{left, f}, err
			}})
		mem.AssertSize(t, 0)
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the disk is full") ||
			!strings.Contains(err.Error(), "make room") {
			t.Errorf("room for %d of %d bytes: error %v", room, size, err)
		}
		if !missing(filepath.Join(parent, "shards")) {
			t.Errorf("room for %d of %d bytes: there are shards", room, size)
		}
		sum, err := Ingest(t.Context(), src, filepath.Join(parent, "shards"), IngestOptions{Check: refuse, MaxBad: 0.5, ShardBytes: 9000})
		if err != nil || !sameTree(tree(t, filepath.Join(parent, "shards")), tree(t, whole)) {
			t.Errorf("room for %d of %d bytes, then enough: other bytes, or %v", room, size, err)
		}
		most = max(most, sum.Kept)
	}
	if most < 2 {
		t.Errorf("at most %d shards were kept", most)
	}
}

func TestIngestCancelled(t *testing.T) {
	parent := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Ingest(ctx, tarDataset(t, manyMembers(100, 0)), filepath.Join(parent, "shards"),
		IngestOptions{Check: accept, Progress: func(p IngestProgress) {
			if p.Done == 50 {
				cancel()
			}
		}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) > 0 {
		t.Errorf("left %v, %v", entries, err)
	}
}

func TestReplace(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "shards")
	ingest := func(n int, replace bool) error {
		_, err := Ingest(t.Context(), tarDataset(t, manyMembers(n, 0)), dir, IngestOptions{Check: accept, Replace: replace})
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := ingest(3, false); err != nil {
		t.Errorf("into an empty folder: %v", err)
	}
	if err := ingest(4, false); err == nil || !strings.Contains(err.Error(), "-force") {
		t.Errorf("over shards: %v", err)
	}
	if n := openSpec(t, dir).Len(); n != 3 {
		t.Errorf("%d images, want the first 3", n)
	}
	if err := ingest(4, true); err != nil {
		t.Errorf("replacing: %v", err)
	}
	if n := openSpec(t, dir).Len(); n != 4 {
		t.Errorf("%d images, want 4", n)
	}
	if entries, _ := os.ReadDir(parent); len(entries) != 1 {
		t.Errorf("left %v", entries)
	}
	copied := filepath.Join(dir+oldSuffix, manifestName)
	writeTemp(t, parent, filepath.Join("shards"+oldSuffix, manifestName), nil)
	if err := ingest(5, true); err == nil || !strings.Contains(err.Error(), "shards.old is there already") || missing(copied) {
		t.Errorf("beside an older copy: %v", err)
	}
	if err := os.RemoveAll(dir + oldSuffix); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+oldSuffix); err != nil { // as if it had been killed between two renames
		t.Fatal(err)
	}
	if err := ingest(4, true); err != nil || !missing(dir+oldSuffix) {
		t.Errorf("after a kill between two renames: %v", err)
	}
	writeTemp(t, dir, "thesis.tex", nil)
	if err := ingest(5, true); err == nil || !strings.Contains(err.Error(), "thesis.tex") ||
		missing(filepath.Join(dir, "thesis.tex")) {
		t.Errorf("over a folder with something else: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, manifestName)); err != nil {
		t.Fatal(err)
	}
	if err := ingest(5, true); err == nil || !strings.Contains(err.Error(), "holds no shards") {
		t.Errorf("over another folder: %v", err)
	}
}

// TestStaging meets staging folders: one that is in use, one that a user filled.
func TestStaging(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shards")
	src := tarDataset(t, manyMembers(3, 0))
	s, err := newStagingDir(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Ingest(t.Context(), src, dir, IngestOptions{Check: accept}); err == nil ||
		!strings.Contains(err.Error(), "another ingest is writing") {
		t.Errorf("beside another: %v", err)
	}
	if err := s.abort(); err != nil {
		t.Fatal(err)
	}
	writeTemp(t, dir+".partial", "letters.txt", nil)
	if _, err := Ingest(t.Context(), src, dir, IngestOptions{Check: accept}); err == nil ||
		!strings.Contains(err.Error(), "letters.txt") || missing(filepath.Join(dir+".partial", "letters.txt")) {
		t.Errorf("over something else: %v", err)
	}
}

// TestWorkersOverlap makes sure that images are checked at once, each on a goroutine: the first wait until there are as many as workers.
func TestWorkersOverlap(t *testing.T) {
	const workers = 3
	var running atomic.Int32
	var once sync.Once
	all := make(chan struct{})
	check := func([]byte) (int, int, error) {
		n := running.Add(1)
		defer running.Add(-1)
		if n > workers {
			t.Errorf("%d images are checked at once", n)
		}
		if n == workers {
			once.Do(func() { close(all) })
		}
		<-all
		return 1, 1, nil
	}
	dir := filepath.Join(t.TempDir(), "shards")
	src := tarDataset(t, manyMembers(60, 0))
	if _, err := Ingest(t.Context(), src, dir, IngestOptions{Check: check, Workers: workers}); err != nil {
		t.Fatal(err)
	}
}
