package datasets

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/goclr/goclr/pipeline"
)

// makeShards writes a small folder of shards with two files and a quarantine.
func makeShards(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shards")
	sum, err := Ingest(t.Context(), tarDataset(t, manyMembers(24, 8)), dir,
		IngestOptions{Check: refuse, MaxBad: 0.5, ShardBytes: 9 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Shards < 2 {
		t.Fatalf("%+v", sum)
	}
	return dir
}

// TestShardsByArrow reads shards with Arrow's own reader and compares each value with what parseShard finds in place.
func TestShardsByArrow(t *testing.T) {
	dir := makeShards(t)
	d := openSpec(t, dir)
	want := pictures(t, d)
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	id := 0
	files, _ := filepath.Glob(filepath.Join(dir, "shard-*.arrow"))
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r, err := ipc.NewFileReader(f, ipc.WithAllocator(mem))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for k := range r.NumRecords() {
			rec, err := r.Record(k)
			if err != nil {
				t.Fatal(err)
			}
			for i := range int(rec.NumRows()) {
				image := rec.Column(columnImage).(*array.Binary).Value(i)
				got := picture{rec.Column(columnLabel).(*array.Int32).Value(i),
					rec.Column(columnKey).(*array.String).Value(i), string(image)}
				if got != want[id] || rec.Column(columnID).(*array.Uint64).Value(i) != keyID(got.key) ||
					rec.Column(columnWidth).(*array.Int32).Value(i) != 8 ||
					rec.Column(columnHeight).(*array.Int32).Value(i) != 9 ||
					rec.Column(columnCRC).(*array.Uint32).Value(i) != crc32.Checksum(image, castagnoli) {
					t.Errorf("%s row %d: %v", name, i, rec)
				}
				id++
			}
		}
	}
	if id != len(want) {
		t.Errorf("%d rows, want %d", id, len(want))
	}
}

// TestManyBatches has several record batches in a shard.
func TestManyBatches(t *testing.T) {
	dir := t.TempDir()
	w := newShardWriter(dir, 0, createFile, memory.NewGoAllocator())
	defer w.close()
	for i := range 10 {
		image := []byte{byte(i)}
		r := row{label: int32(i), key: fmt.Sprint(i), image: image, crc: crc32.Checksum(image, castagnoli)}
		if err := w.append(&r); err != nil {
			t.Fatal(err)
		}
		if i%3 == 2 {
			if err := w.flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	shard, err := w.end()
	if err != nil {
		t.Fatal(err)
	}
	m := manifest{Format: formatName, Version: 1, Classes: strings.Split("abcdefghij", ""), Rows: 10, Shards: []shardInfo{*shard.Info}}
	b, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	writeTemp(t, dir, manifestName, b)
	d := openSpec(t, dir)
	if n := len(d.(*shards).batches); n != 4 {
		t.Errorf("%d batches, want 4", n)
	}
	for i, p := range pictures(t, d) {
		if p != (picture{int32(i), fmt.Sprint(i), string(rune(i))}) {
			t.Errorf("row %d is %q", i, p)
		}
	}
}

// TestBatchLimit fills record batches up to their limit, with images that fit several times, just and not at all.
func TestBatchLimit(t *testing.T) {
	w := newShardWriter(t.TempDir(), 0, createFile, memory.NewGoAllocator())
	defer w.close()
	w.batchLimit = 10_000
	for _, n := range []int{1000, 1000, 1000, 5000, 10_000, 1000, 1000} {
		if err := w.append(&row{key: "a", image: make([]byte, n)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.end(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(w.dir, "shard-00000.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	batches, err := parseShard(b)
	if err != nil {
		t.Fatal(err)
	}
	var rows []int
	for _, b := range batches {
		rows = append(rows, b.rows)
	}
	if fmt.Sprint(rows) != "[3 1 1 2]" {
		t.Errorf("batches of %v rows", rows)
	}
	if MaxImageBytes+rowOverhead+4096+batchOverhead > 64<<20 {
		t.Error("a batch with the largest image is larger than FORMAT.md says")
	}
}

func TestDamagedImage(t *testing.T) {
	dir := makeShards(t)
	flip(t, shardWith(t, dir, tinyImage(12)), tinyImage(12))
	d := openSpec(t, dir)
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	bad := 0
	for i := range d.Len() {
		err := d.Read(t.Context(), i, s)
		if err == nil {
			continue
		}
		bad++
		for _, part := range []string{"shard-00001.arrow row ", "crc32c", "ingest verify " + dir} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("error %q does not say %q", err, part)
			}
		}
		if s.Key != "class0/0012.jpg" {
			t.Errorf("%s was the damaged one", s.Key)
		}
	}
	if bad != 1 {
		t.Errorf("%d images are bad, want 1", bad)
	}
}

// TestEveryByte flips a bit in sampled bytes of every file. Verify must find each; Open and Read must not crash, and must
// never hand out other bytes or labels than were stored without an error, except for labels and keys, which only Verify
// protects.
func TestEveryByte(t *testing.T) {
	dir := makeShards(t)
	if r, err := Verify(t.Context(), dir, nil); err != nil || r.Images != 21 || r.Quarantined != 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	want := map[string]bool{}
	for _, p := range pictures(t, openSpec(t, dir)) {
		want[p.bytes] = true
	}
	const step = 131
	for name, content := range tree(t, dir) {
		file := filepath.Join(dir, name)
		r := rand.New(rand.NewPCG(1, uint64(len(content))))
		for at := 0; at < len(content); at += 1 + r.IntN(2*step) {
			b := []byte(content)
			b[at] ^= 1 << r.IntN(8)
			if err := os.WriteFile(file, b, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := Verify(t.Context(), dir, nil); err == nil {
				t.Errorf("%s: a flipped bit in byte %d is not found", name, at)
			}
			readDamaged(t, dir, want)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Verify(t.Context(), dir, nil); err != nil {
		t.Errorf("put right again: %v", err)
	}
}

func readDamaged(t *testing.T, dir string, want map[string]bool) {
	t.Helper()
	d, err := Open(t.Context(), dir, Options{})
	if err != nil {
		return
	}
	defer d.Close()
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	for i := range d.Len() {
		if d.Read(t.Context(), i, s) == nil && !want[string(s.Bytes)] {
			t.Errorf("image %d has other bytes, and no error", i)
		}
	}
}

func TestVerifyFiles(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(dir string) error
		says   []string
	}{
		{"missing shard", func(d string) error { return os.Remove(filepath.Join(d, "shard-00001.arrow")) },
			[]string{"shard-00001.arrow"}},
		{"short shard", func(d string) error { return os.Truncate(filepath.Join(d, "shard-00000.arrow"), 700) },
			[]string{"shard-00000.arrow: 700 bytes, not"}},
		{"two wrong", func(d string) error {
			return errors.Join(os.Truncate(filepath.Join(d, "shard-00000.arrow"), 700),
				os.Remove(filepath.Join(d, "shard-00001.arrow")))
		}, []string{"shard-00000.arrow: 700 bytes, not", "shard-00001.arrow"}},
		{"extra file", func(d string) error { return os.WriteFile(filepath.Join(d, "shard-00009.arrow"), nil, 0o644) },
			[]string{"shard-00009.arrow: not part of these shards"}},
		{"extra quarantine", func(d string) error { return os.WriteFile(filepath.Join(d, quarantineList), nil, 0o644) },
			[]string{"quarantine.jsonl: not part"}},
		{"missing quarantine", func(d string) error { return os.Remove(filepath.Join(d, QuarantineName)) },
			[]string{QuarantineName}},
		{"missing manifest", func(d string) error { return os.Remove(filepath.Join(d, manifestName)) },
			[]string{"no manifest.json", "these are no shards"}},
	} {
		dir := makeShards(t)
		if err := c.damage(dir); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{dir, "disk://" + dir} {
			_, err := Verify(t.Context(), name, nil)
			if err == nil {
				t.Errorf("%s: not found in %s", c.name, name)
				continue
			}
			for _, part := range c.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s: error %q does not say %q", c.name, err, part)
				}
			}
		}
	}
	dir := makeShards(t)
	if r, err := Verify(t.Context(), "disk://"+dir, nil); err != nil || r.Images != 21 || r.Quarantined != 3 || r.Bytes == 0 {
		t.Errorf("in a store: %+v, %v", r, err)
	}
	rewriteManifest(t, dir, func(m *manifest) { m.Quarantine.Images++ })
	if _, err := Verify(t.Context(), dir, nil); err == nil || !strings.Contains(err.Error(), "3 images, the manifest says 4") {
		t.Errorf("a bad image too few: %v", err)
	}
	rewriteManifest(t, dir, func(m *manifest) { m.Quarantine.Images--; m.Quarantine.File = "other" })
	if _, err := Verify(t.Context(), dir, nil); err == nil || !strings.Contains(err.Error(), `"other", not in quarantine.arrow`) {
		t.Errorf("bad images elsewhere: %v", err)
	}
	rewriteManifest(t, dir, func(m *manifest) { m.Quarantine.File = QuarantineName })
	last := int64(0)
	if _, err := Verify(t.Context(), dir, func(done, total int64) {
		if done < last || done > total {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	}); err != nil || last == 0 {
		t.Errorf("progress ended at %d, %v", last, err)
	}
}

// rewriteManifest changes fields of a manifest and gives it a right checksum.
func rewriteManifest(t *testing.T, dir string, change func(*manifest)) {
	t.Helper()
	m, err := readManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	change(m)
	b, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	writeTemp(t, dir, manifestName, b)
}

func TestManifest(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*manifest)
		says   []string
	}{
		{"newer", func(m *manifest) { m.Version = 3 }, []string{"version 3 is newer than the 2", "go install", "ingest"}},
		{"no version", func(m *manifest) { m.Version = 0 }, []string{"damaged", "version 0"}},
		{"other format", func(m *manifest) { m.Format = "webdataset" }, []string{`"webdataset"`, "goclr-shards"}},
		{"rows", func(m *manifest) { m.Rows++ }, []string{"damaged", "rows"}},
		{"rows of a shard", func(m *manifest) { m.Shards[0].Rows++; m.Rows++ },
			[]string{"shard-00000.arrow", "the manifest says"}},
		{"size of a shard", func(m *manifest) { m.Shards[0].Bytes++ }, []string{"shard-00000.arrow", "bytes, the manifest says"}},
		{"a path", func(m *manifest) { m.Shards[0].File = "../../etc/passwd" }, []string{"damaged", "passwd"}},
		{"no shards", func(m *manifest) { m.Shards, m.Rows = nil, 0 }, []string{"damaged", "0 rows"}},
		{"re-encoded", func(m *manifest) { m.Reencoding = &reencodingManifest{Reencoded: Reencoded{Images: 99}} },
			[]string{"damaged", "99 of 21 images re-encoded"}},
		{"fewer classes", func(m *manifest) { m.Classes = m.Classes[:1] }, nil},
	} {
		dir := makeShards(t)
		rewriteManifest(t, dir, c.change)
		if c.says != nil {
			wantError(t, dir, append(c.says, dir)...)
			continue
		}
		s := pipeline.NewSample(t.Context(), pipeline.Key{})
		err := openSpec(t, dir).Read(t.Context(), 1, s)
		if err == nil || !strings.Contains(err.Error(), "label 1, of 1 classes") {
			t.Errorf("%s: error %v", c.name, err)
		}
	}
	dir := makeShards(t)
	wantError(t, dir+"#train", "shards have no splits", `leave "#train" out`)
	file := filepath.Join(dir, manifestName)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(b) || bytes.Contains(b, []byte(zeroSum)) {
		t.Errorf("manifest %s", b)
	}
	for n := len(b) - 2; n >= 0; n -= 17 { // without the last line feed it is whole
		writeTemp(t, dir, manifestName, b[:n])
		wantError(t, dir, "damaged")
	}
}

// TestShrunkenFile takes the file away under a mapping: an error, not a crash.
func TestShrunkenFile(t *testing.T) {
	dir := makeShards(t)
	d := openSpec(t, dir)
	if err := os.Truncate(filepath.Join(dir, "shard-00000.arrow"), 0); err != nil {
		t.Fatal(err)
	}
	err := d.Read(t.Context(), 0, pipeline.NewSample(t.Context(), pipeline.Key{}))
	if err == nil || !strings.Contains(err.Error(), "the disk does not give its content") {
		t.Errorf("error %v", err)
	}
}

// TestOtherSchemas refuses Arrow files whose columns are not those of a shard.
func TestOtherSchemas(t *testing.T) {
	for i := range shardSchema.NumFields() {
		for name, change := range map[string]func(f *arrow.Field){
			"name":   func(f *arrow.Field) { f.Name = f.Name[1:] + "x" },
			"kind":   func(f *arrow.Field) { f.Type = arrow.PrimitiveTypes.Float32 },
			"width":  func(f *arrow.Field) { f.Type = arrow.PrimitiveTypes.Uint16 },
			"sign":   func(f *arrow.Field) { f.Type = otherSign(f.Type) },
			"lost":   nil,
			"intact": func(*arrow.Field) {},
		} {
			fields := shardSchema.Fields()
			if change == nil {
				fields = slices.Delete(fields, i, i+1)
			} else {
				change(&fields[i])
			}
			var c countedFile
			file, err := os.Create(filepath.Join(t.TempDir(), "x.arrow"))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			c.f, c.sum = file, sha256.New()
			w, err := ipc.NewFileWriter(&c, ipc.WithSchema(arrow.NewSchema(fields, nil)))
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(file.Name())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parseShard(b); (err == nil) != (name == "intact") {
				t.Errorf("column %d, %s: error %v", i, name, err)
			}
		}
	}
}

func otherSign(t arrow.DataType) arrow.DataType {
	switch t.ID() {
	case arrow.UINT64:
		return arrow.PrimitiveTypes.Int64
	case arrow.INT32:
		return arrow.PrimitiveTypes.Uint32
	}
	return arrow.PrimitiveTypes.Int32
}

// TestParseDamaged changes each byte of a shard in several ways, and cuts it at each length: the parser may refuse it or
// not, but must stay within it.
func TestParseDamaged(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join(makeShards(t), "shard-00001.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	refused := 0
	for at := range whole {
		b := whole[at]
		for _, whole[at] = range []byte{b ^ 0x01, b ^ 0x40, b ^ 0x80, ^b, 0} {
			if !readAll(whole, s) {
				refused++
			}
		}
		whole[at] = b
		if readAll(whole[:at:at], s) {
			t.Errorf("accepted when cut to %d bytes", at)
		}
	}
	if !readAll(whole, s) || refused < 100 {
		t.Errorf("%d changed files refused: the test does not test", refused)
	}
}

// readAll parses a file and reads all its rows, if it can.
func readAll(file []byte, s *pipeline.Sample) bool {
	batches, err := parseShard(file)
	if err != nil {
		return false
	}
	for i := range batches {
		for row := range batches[i].rows {
			batches[i].read(row, 3, s)
		}
	}
	return true
}

// FuzzParseShard looks for files that crash the parser.
func FuzzParseShard(f *testing.F) {
	b, err := os.ReadFile(filepath.Join(makeShards(f), "shard-00001.arrow"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		readAll(b, pipeline.NewSample(t.Context(), pipeline.Key{}))
	})
}
