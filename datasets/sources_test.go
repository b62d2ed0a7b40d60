package datasets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// layouts are the ways to lay images out, as a folder and as an archive, and what comes of each.
var layouts = []struct {
	name    string
	files   []string
	split   string
	classes string
	outline string // in the order of names
}{
	{"classes", []string{"cat/b.jpg", "ant/a.JPEG", "cat/a.png"}, "",
		"ant cat", "ant/a.JPEG=0 cat/a.png=1 cat/b.jpg=1"},
	{"one split", []string{"train/dog/1.jpg", "train/cat/1.jpg"}, "",
		"cat dog", "train/cat/1.jpg=0 train/dog/1.jpg=1"},
	{"one split, named", []string{"train/dog/1.jpg", "train/cat/1.jpg"}, "train",
		"cat dog", "train/cat/1.jpg=0 train/dog/1.jpg=1"},
	{"labels are those of all splits", []string{"train/a/1.jpg", "train/c/1.jpg", "test/b/1.jpg", "test/c/2.jpg"}, "test",
		"a b c", "test/b/1.jpg=1 test/c/2.jpg=2"},
	{"folders above", []string{"x/y/train/a/1.jpg", "x/y/train/b/1.jpg"}, "",
		"a b", "x/y/train/a/1.jpg=0 x/y/train/b/1.jpg=1"},
	{"some deeper", []string{"b/1.jpg", "a/x/1.jpg", "a/x/y/2.jpg", "3.jpg"}, "",
		"a b", "3.jpg=-1 a/x/1.jpg=0 a/x/y/2.jpg=0 b/1.jpg=1"},
	{"some deeper, in splits", []string{"train/b/1.jpg", "train/a/x/1.jpg", "Val/a/2.jpg", "Val/3.jpg"}, "Val",
		"a b", "Val/3.jpg=-1 Val/a/2.jpg=0"},
	{"some deeper, in splits of a folder", []string{"set/train/a/1.jpg", "set/train/b/x/1.jpg", "set/cover.jpg"}, "train",
		"a b set", "set/train/a/1.jpg=0 set/train/b/x/1.jpg=1"},
	{"flat", []string{"2.jpg", "1.webp"}, "",
		"", "1.webp=-1 2.jpg=-1"},
	{"other files", []string{"README.txt", "a/1.jpg", "a/._1.jpg", ".cache/x/1.jpg", "__MACOSX/a/1.jpg", "a/notes"}, "",
		"a", "a/1.jpg=0 a/notes=0"}, // the notes are an image
}

func TestLayouts(t *testing.T) {
	for _, c := range layouts {
		dir := t.TempDir()
		for _, m := range members(c.files...) {
			writeTemp(t, dir, m.key, []byte(m.bytes))
		}
		archive := tarBytes(t, members(c.files...))
		suffix := ""
		if c.split != "" {
			suffix = "#" + c.split
		}
		for _, spec := range []string{
			dir, writeTemp(t, "", "x.tar", archive), writeTemp(t, "", "x.TAR.GZ", gzipBytes(t, archive)),
			writeTemp(t, "", "x.tgz", gzipBytes(t, archive)),
		} {
			d := openSpec(t, spec+suffix)
			got := pictures(t, d)
			slices.SortFunc(got, func(a, b picture) int { return strings.Compare(a.key, b.key) })
			if outline(got) != c.outline || strings.Join(d.Classes(), " ") != c.classes {
				t.Errorf("%s, %s: %s of classes %q, want %s of %s", c.name, spec, outline(got), d.Classes(), c.outline, c.classes)
			}
			for _, p := range got {
				if p.bytes != tinyImage(slices.Index(c.files, p.key)) {
					t.Errorf("%s, %s: %s has the bytes of another image", c.name, spec, p.key)
				}
			}
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	writeTemp(t, dir, "empty.tar", nil)
	writeTemp(t, dir, "text.tar", bytes.Repeat([]byte("no archive "), 100))
	writeTemp(t, dir, "text.tgz", []byte("no archive"))
	writeTemp(t, dir, "nothing.tar", tarBytes(t, nil))
	writeTemp(t, dir, "splits.tar", tarBytes(t, members("train/a/1.jpg", "test/a/1.jpg")))
	writeTemp(t, dir, "cover.tar", tarBytes(t, members("train/a/1.jpg", "cover.jpg")))
	writeTemp(t, dir, "plain.tar", tarBytes(t, members("a/1.jpg")))
	writeTemp(t, dir, "latin1.tar", tarBytes(t, members("caf\xe9/1.jpg")))
	writeTemp(t, dir, "documents/a/1.pdf", nil)
	writeTemp(t, dir, "photos.zip", nil)
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeTemp(t, dir, "loop/a/1.jpg", nil)
	if err := os.Symlink("..", filepath.Join(dir, "loop", "a", "up")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		spec  string
		parts []string
	}{
		{"", []string{"no dataset named", "synthetic"}},
		{"missing.tar", []string{"no such file", dir, "a dataset is"}},
		{"missing#train", []string{"no such file", "/missing)"}},
		{"empty.tar", []string{"empty.tar", "0 bytes"}},
		{"text.tar", []string{"text.tar", "no valid tar header at byte 0"}},
		{"text.tgz", []string{"no gzip archive"}},
		{"nothing.tar", []string{"no images", "no files"}},
		{"splits.tar", []string{"several splits (test, train)", "#test"}},
		{"cover.tar", []string{"some images are in no split, others are (train)", "#train"}},
		{"splits.tar#val", []string{`no split "val"`, "test, train"}},
		{"plain.tar#train", []string{`leave "#train" out`}},
		{"latin1.tar", []string{`"caf\xe9/1.jpg" is not UTF-8`}},
		{"documents", []string{"no images", ".pdf", ".jpg"}},
		{"photos.zip", []string{`unknown kind of dataset ".zip"`, ".tar"}},
		{"empty", []string{"no images", "no files"}},
		{"loop", []string{"a/up is a link to a folder above"}},
		{"synthetic:n=x", []string{"n=x", "synthetic:n=20000"}},
		{"synthetic:n=0", []string{"n=0", "from 1"}},
		{"synthetic:split=test", []string{"split=test", "#test"}},
		{"synthetic:size=7", []string{"size=7", "8 to"}},
		{"synthetic#val", []string{`no split "val"`}},
		{"synthetics", []string{"no such file"}},
	} {
		spec := c.spec
		if spec != "" && !strings.HasPrefix(spec, "synthetic") {
			spec = filepath.Join(dir, spec)
		}
		wantError(t, spec, c.parts...)
	}
}

func TestSharpInName(t *testing.T) {
	file := writeTemp(t, "", "a#b.tar", tarBytes(t, members("train/a/1.jpg", "test/a/1.jpg", "test/a/2.jpg")))
	if n := openSpec(t, file+"#test").Len(); n != 2 {
		t.Errorf("%d images", n)
	}
	wantError(t, file, "several splits")
}

// TestTruncatedTar cuts an archive at every length: each must be an error that says so, however much of it is readable.
func TestTruncatedTar(t *testing.T) {
	long := "train/a/" + strings.Repeat("x", 150) + ".jpg" // needs an extended header
	whole := tarBytes(t, members("train/a/1.jpg", long, "train/a/3.jpg"))
	file := writeTemp(t, "", "x.tar", whole)
	d := openSpec(t, file)
	end := len(whole) - 1024 // two blocks of zeros
	for n := end; n > 0; n -= 37 {
		if err := os.Truncate(file, int64(n)); err != nil {
			t.Fatal(err)
		}
		wantError(t, file, "x.tar", "truncated", "byte")
	}
	if err := d.Read(t.Context(), 2, pipeline.NewSample(t.Context(), pipeline.Key{})); err == nil ||
		!strings.Contains(err.Error(), "train/a/3.jpg at byte") {
		t.Errorf("reading a file that shrank: %v", err)
	}
}

func TestTruncatedGzip(t *testing.T) {
	whole := gzipBytes(t, tarBytes(t, members("a/1.jpg", "a/2.jpg")))
	for n := len(whole) - 1; n > 20; n -= 11 {
		wantError(t, writeTemp(t, "", "x.tgz", whole[:n]), "x.tgz", "truncated", "fetch it again")
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // of the checksum
	wantError(t, writeTemp(t, "", "x.tgz", flipped), "damaged", "fetch it again")
}

func TestUnpackLeavesNothing(t *testing.T) {
	temp := t.TempDir()
	file := writeTemp(t, "", "x.tgz", gzipBytes(t, tarBytes(t, members("a/1.jpg"))))
	d, err := Open(t.Context(), file, Options{TempDir: temp})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	if _, err := Open(t.Context(), file, Options{TempDir: filepath.Join(temp, "missing")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("unpacking to a missing folder: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, spec := range []string{file, filepath.Dir(file)} {
		if _, err := Open(cancelled, spec, Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("opening %s when cancelled: %v", spec, err)
		}
	}
}

// TestNoRoomToUnpack stands in for a full disk with a device that is one.
func TestNoRoomToUnpack(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	err = decompress(t.Context(), &destination{w: full}, bytes.NewReader(gzipBytes(t, make([]byte, 100))), kindGzip)
	if err == nil || !strings.Contains(err.Error(), "no space left") || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("error %v", err)
	}
}

func TestTooLargeImage(t *testing.T) {
	dir := t.TempDir()
	file := writeTemp(t, dir, "a/1.jpg", nil)
	if err := os.Truncate(file, MaxImageBytes+1); err != nil {
		t.Fatal(err)
	}
	err := openSpec(t, dir).Read(t.Context(), 0, pipeline.NewSample(t.Context(), pipeline.Key{}))
	if err == nil || !strings.Contains(err.Error(), "a/1.jpg: 62914561 bytes encoded") {
		t.Errorf("error %v", err)
	}
}

func TestReadDoesNotAllocate(t *testing.T) {
	file := writeTemp(t, "", "x.tar", tarBytes(t, members("a/1.jpg", "a/2.jpg")))
	dir := filepath.Join(t.TempDir(), "shards")
	if _, err := Ingest(t.Context(), openSpec(t, file), dir, IngestOptions{Check: accept}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		spec string
		most float64
	}{{file, 1}, {dir, 1}, {"synthetic:n=20", 1}} { // at most the key
		d := openSpec(t, c.spec)
		s := pipeline.NewSample(t.Context(), pipeline.Key{})
		i := 0
		read := func() {
			if err := d.Read(context.Background(), i%d.Len(), s); err != nil {
				t.Fatal(err)
			}
			i++
		}
		for range d.Len() {
			read()
		}
		if n := testing.AllocsPerRun(50, read); n > c.most {
			t.Errorf("%s: %.0f allocations per Read, want %.0f", c.spec, n, c.most)
		}
	}
}

// TestConcurrentRead reads each kind of Dataset from several goroutines, for the race detector.
func TestConcurrentRead(t *testing.T) {
	list := members("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "b/3.jpg")
	folder := t.TempDir()
	for _, m := range list {
		writeTemp(t, folder, m.key, []byte(m.bytes))
	}
	archive := writeTemp(t, "", "x.tar", tarBytes(t, list))
	shards := filepath.Join(t.TempDir(), "shards")
	if _, err := Ingest(t.Context(), openSpec(t, archive), shards, IngestOptions{Check: accept}); err != nil {
		t.Fatal(err)
	}
	for _, spec := range []string{folder, archive, shards, "synthetic:n=20", writeCIFAR(t, 10) + "#train"} {
		d := openSpec(t, spec)
		want := pictures(t, d)
		var group sync.WaitGroup
		for g := range 4 {
			group.Add(1)
			go func() {
				defer group.Done()
				s := pipeline.NewSample(context.Background(), pipeline.Key{})
				for k := range 4 * d.Len() {
					i := (k*7 + g) % d.Len()
					if err := d.Read(context.Background(), i, s); err != nil {
						t.Error(err)
					} else if got := (picture{s.Label, s.Key, string(s.Bytes)}); got != want[i] {
						t.Errorf("%s: image %d differs between goroutines", spec, i)
					}
				}
			}()
		}
		group.Wait()
	}
}

func TestFingerprint(t *testing.T) {
	seen := map[string]string{}
	for name, list := range map[string][]picture{
		"base":    members("a/1.jpg", "b/2.jpg"),
		"renamed": members("a/1.jpg", "b/3.jpg"),
		"swapped": members("b/2.jpg", "a/1.jpg"),
		"longer":  {{key: "a/1.jpg", bytes: tinyImage(0) + "x"}, {key: "b/2.jpg", bytes: tinyImage(1)}},
		"fewer":   members("a/1.jpg"),
	} {
		d := openSpec(t, writeTemp(t, "", "x.tar", tarBytes(t, list)))
		again := openSpec(t, writeTemp(t, "", "y.tar", tarBytes(t, list)))
		if d.Fingerprint() != again.Fingerprint() {
			t.Errorf("%s: a copy of the archive has another fingerprint", name)
		}
		if other, ok := seen[d.Fingerprint()]; ok {
			t.Errorf("%s and %s have one fingerprint", name, other)
		}
		seen[d.Fingerprint()] = name
	}
}

func TestRealArchives(t *testing.T) {
	for _, c := range []struct {
		name            string
		images, classes int
	}{{"cifar10-train.tar", 50000, 10}, {"cifar10-test.tar", 5000, 10}, {"imagenet-sample.tar", 500, 500}} {
		d := openSpec(t, realData(t, c.name))
		if d.Len() != c.images || len(d.Classes()) != c.classes {
			t.Errorf("%s: %d images of %d classes", c.name, d.Len(), len(d.Classes()))
		}
		s := pipeline.NewSample(t.Context(), pipeline.Key{})
		for i := 0; i < d.Len(); i += 97 {
			if err := d.Read(t.Context(), i, s); err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(s.Bytes, []byte{0xFF, 0xD8}) || !strings.Contains(s.Key, d.Classes()[s.Label]+"/") {
				t.Errorf("%s: image %d, %s, is no JPEG or has label %d", c.name, i, s.Key, s.Label)
			}
		}
	}
}

// TestDanglingLink: an image is a bad one if it is a link to nothing; a folder that is one is an error, since images may be missing.
func TestDanglingLink(t *testing.T) {
	dir := t.TempDir()
	writeTemp(t, dir, "a/1.jpg", []byte(tinyImage(1)))
	if err := os.Symlink("nowhere", filepath.Join(dir, "a", "2.jpg")); err != nil {
		t.Fatal(err)
	}
	sum, err := Ingest(t.Context(), openSpec(t, dir), filepath.Join(t.TempDir(), "shards"), IngestOptions{Check: accept, MaxBad: 1})
	if err != nil || sum.Images != 1 || sum.Bad != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	wantError(t, dir, "b: no such file", "bring back")
}

// TestHoleInTar: members behind zeros in the middle of an archive are not lost without a word; zeros at its end are usual.
func TestHoleInTar(t *testing.T) {
	whole := tarBytes(t, manyMembers(20, 0))
	padded := append(bytes.Clone(whole), make([]byte, 200<<10)...)
	if n := openSpec(t, writeTemp(t, "", "x.tar", padded)).Len(); n != 20 {
		t.Errorf("with zeros behind it, %d images", n)
	}
	hole := bytes.Clone(whole)
	clear(hole[len(hole)/2/512*512:][:4096])
	wantError(t, writeTemp(t, "", "x.tar", hole), "x.tar", "it goes on at byte", "fetch or write it again")
	for _, far := range []int{0, 300 << 10} {
		twice := slices.Concat(whole, make([]byte, far), whole)
		wantError(t, writeTemp(t, "", "x.tar", twice), "x.tar", fmt.Sprintf("it goes on at byte %d", len(whole)+far), "two archives are in one file")
	}
}
