package datasets

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"

	"github.com/goclr/goclr/datasets/internal/parquet/parquettest"
	"github.com/goclr/goclr/pipeline"
)

// hf is a column of images as Hugging Face lays it out; a path of "" is null.
func hf(name string, images []picture) []parquettest.Column {
	b, p := parquettest.Column{Path: []string{name, "bytes"}}, parquettest.Column{Path: []string{name, "path"}}
	for _, image := range images {
		b.Values = append(b.Values, []byte(image.bytes))
		if image.key == "" {
			p.Values = append(p.Values, nil)
		} else {
			p.Values = append(p.Values, image.key)
		}
	}
	return []parquettest.Column{b, p}
}

// values is a column by itself.
func values[T any](name string, list ...T) parquettest.Column {
	c := parquettest.Column{Path: []string{name}}
	for _, v := range list {
		c.Values = append(c.Values, v)
	}
	return c
}

// classLabel is the note of Hugging Face on the classes of a column.
func classLabel(column string, names ...string) map[string]string {
	return map[string]string{"huggingface": fmt.Sprintf(
		`{"info": {"features": {"image": {"_type": "Image"}, "tokens": [{"dtype": "string"}], %q: {"names": ["%s"], "_type": "ClassLabel"}}}}`, column, strings.Join(names, `", "`))}
}

// unnamed returns images without paths.
func unnamed(n int) []picture { return members(make([]string, n)...) }

// TestTables opens tables of every layout.
func TestTables(t *testing.T) {
	type files map[string][]byte
	write := func(f parquettest.File, columns ...parquettest.Column) []byte {
		return parquettest.Write(t, f, columns...)
	}
	three := members("x/1.jpg", "/y/../x/2.jpg", "x/3.jpg")
	named := parquettest.File{Metadata: classLabel("label", "dog", "ant", "cat"), GroupRows: 2}
	for _, c := range []struct {
		name    string
		files   files
		spec    string
		classes string
		outline string
		order   []int // of the bytes, by tinyImage
	}{
		{"paths and named labels", files{"a.parquet": write(named, append(hf("image", three), values[any]("label", int64(0), int64(2), nil))...)}, "a.parquet",
			"ant cat dog", "x/1.jpg=2 x/2.jpg=1 x/3.jpg=-1", []int{0, 1, 2}},
		{"found by content", files{"a": write(named, append(hf("image", three), values("label", int64(0), 2, -1))...)}, "a",
			"ant cat dog", "x/1.jpg=2 x/2.jpg=1 x/3.jpg=-1", []int{0, 1, 2}},
		{"numbers", files{"a.parquet": write(parquettest.File{}, append(hf("img", three), values("label", int32(3), 0, 3))...)}, "a.parquet",
			"0 1 2 3", "x/1.jpg=3 x/2.jpg=0 x/3.jpg=3", []int{0, 1, 2}},
		{"texts", files{"a.parquet": write(parquettest.File{}, append(hf("img", three), values[any]("category", "b", nil, "a"))...)}, "a.parquet",
			"a b", "x/1.jpg=1 x/2.jpg=-1 x/3.jpg=0", []int{0, 1, 2}},
		{"no labels", files{"a.parquet": write(parquettest.File{}, hf("img", three)...)}, "a.parquet",
			"", "x/1.jpg=-1 x/2.jpg=-1 x/3.jpg=-1", []int{0, 1, 2}},
		{"binary column", files{"a.parquet": write(parquettest.File{}, values("data", []byte(tinyImage(1)), []byte(tinyImage(0))))}, "a.parquet",
			"", "a/00000000=-1 a/00000001=-1", []int{1, 0}},
		{"same paths", files{"a.parquet": write(parquettest.File{}, hf("image", members("1.jpg", "2.jpg", "./1.jpg"))...)}, "a.parquet",
			"", "a/00000000=-1 a/00000001=-1 a/00000002=-1", []int{0, 1, 2}},
		{"a path missing", files{"a.parquet": write(parquettest.File{}, hf("image", members("1.jpg", ""))...)}, "a.parquet",
			"", "a/00000000=-1 a/00000001=-1", []int{0, 1}},
		{"several files", files{
			"data/train-00000-of-00002.parquet": write(named, append(hf("image", three[:2]), values("label", int64(0), 0))...),
			"data/train-00001-of-00002.parquet": write(named, append(hf("image", three[2:]), values("label", int64(1)))...),
			"data/test-00000-of-00001.parquet":  write(named, append(hf("image", unnamed(1)), values("label", int64(2)))...),
			"README.md":                         []byte("photos"),
		}, "#train", "ant cat dog", "x/1.jpg=2 x/2.jpg=2 x/3.jpg=0", []int{0, 1, 2}},
		{"classes of another split", files{
			"train-00000-of-00001-ab12.parquet": write(parquettest.File{}, append(hf("image", unnamed(1)), values("label", "b"))...),
			"test.parquet":                      write(parquettest.File{}, append(hf("image", unnamed(1)), values("label", "a"))...),
		}, "#train", "a b", "train-00000-of-00001-ab12/00000000=1", []int{0}},
		{"same paths in two splits", files{
			"train/0000.parquet": write(parquettest.File{}, hf("image", three)...),
			"test/0000.parquet":  write(parquettest.File{}, hf("image", three)...),
		}, "#test", "", "x/1.jpg=-1 x/2.jpg=-1 x/3.jpg=-1", []int{0, 1, 2}},
		{"same paths in two files", files{
			"1.parquet": write(parquettest.File{}, hf("image", three[:1])...),
			"2.parquet": write(parquettest.File{}, hf("image", three[:1])...),
		}, "", "", "1/00000000=-1 2/00000000=-1", []int{0, 0}},
		{"paths in one of two files", files{
			"1.parquet": write(parquettest.File{}, hf("image", three[:1])...),
			"2.parquet": write(parquettest.File{}, values("data", []byte(tinyImage(0)))),
		}, "", "", "1/00000000=-1 2/00000000=-1", []int{0, 0}},
		{"column of choice", files{"a.parquet": write(parquettest.File{}, append(hf("left", unnamed(2)), hf("right", three[1:])...)...)}, "a.parquet#:right",
			"", "x/2.jpg=-1 x/3.jpg=-1", []int{1, 2}},
		{"column of choice in a split", files{
			"train-00000-of-00001.parquet": write(parquettest.File{}, append(hf("left", unnamed(2)), hf("right", three[1:])...)...),
			"val-00000-of-00001.parquet":   write(parquettest.File{}, append(hf("left", unnamed(2)), hf("right", three[1:])...)...),
		}, "#val:right", "", "x/2.jpg=-1 x/3.jpg=-1", []int{1, 2}},
		{"column by its name", files{"a.parquet": write(parquettest.File{}, append(hf("image", three[1:]), hf("mask", unnamed(2))...)...)}, "a.parquet",
			"", "x/2.jpg=-1 x/3.jpg=-1", []int{1, 2}},
		{"a struct beside bytes of another kind", files{"a.parquet": write(parquettest.File{}, append(hf("photo", three[1:]), values("embedding", []byte("x"), []byte("y")))...)}, "a.parquet",
			"", "x/2.jpg=-1 x/3.jpg=-1", []int{1, 2}},
		{"column by the note", files{"a.parquet": write(parquettest.File{Metadata: classLabel("kind", "k")},
			append(append(hf("img", unnamed(2)), hf("image", three[1:])...), values("kind", int64(0), 0))...)}, "a.parquet",
			"k", "x/2.jpg=0 x/3.jpg=0", []int{1, 2}},
		{"one name twice", files{"a.parquet": write(parquettest.File{Metadata: classLabel("label", "crane", "", "crane")},
			append(hf("image", three), values("label", int64(2), 1, 0))...)}, "a.parquet",
			"(1) crane (0) crane (2)", "x/1.jpg=2 x/2.jpg=0 x/3.jpg=1", []int{0, 1, 2}},
	} {
		dir := t.TempDir()
		for name, b := range c.files {
			writeTemp(t, dir, name, b)
		}
		d := openSpec(t, dir+strings.TrimSuffix("/"+c.spec, "/"))
		got := pictures(t, d)
		if outline(got) != c.outline || strings.Join(d.Classes(), " ") != c.classes {
			t.Errorf("%s: %s of classes %q, want %s of %s", c.name, outline(got), d.Classes(), c.outline, c.classes)
			continue
		}
		for i, p := range got {
			if p.bytes != tinyImage(c.order[i]) {
				t.Errorf("%s: %s has the bytes of another image", c.name, p.key)
			}
		}
	}
}

func TestTableErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, f parquettest.File, columns ...parquettest.Column) {
		writeTemp(t, dir, name, parquettest.Write(t, f, columns...))
	}
	two := members("1.jpg", "2.jpg")
	write("choice.parquet", parquettest.File{}, append(hf("left", two), hf("right", two)...)...)
	write("texts.parquet", parquettest.File{}, values("text", "a", "b"), values("n", int64(1), 2))
	write("label.parquet", parquettest.File{Metadata: classLabel("label", "a", "b")}, append(hf("image", two), values("label", int64(0), 2))...)
	write("huge.parquet", parquettest.File{}, append(hf("image", two), values("label", int64(0), 1<<40))...)
	write("latin1.parquet", parquettest.File{}, append(hf("image", two), values("label", "a", "caf\xe9"))...)
	write("note.parquet", parquettest.File{Metadata: map[string]string{"huggingface": "{"}}, hf("image", two)...)
	write("names/1.parquet", parquettest.File{Metadata: classLabel("label", "a", "b")}, append(hf("image", two), values("label", int64(0), 1))...)
	write("names/2.parquet", parquettest.File{Metadata: classLabel("label", "b", "a")}, append(hf("image", two), values("label", int64(0), 1))...)
	write("splits/train-00000-of-00001.parquet", parquettest.File{}, hf("image", two)...)
	write("splits/test-00000-of-00001.parquet", parquettest.File{}, hf("image", two)...)
	write("empty.parquet", parquettest.File{}, hf("image", nil)...)
	paths := hf("image", two)
	paths[0].Values = []any{nil, nil}
	write("paths.parquet", parquettest.File{}, paths...)
	writeTemp(t, dir, "text.parquet", []byte("no table"))
	writeTemp(t, dir, "damaged/1.parquet", []byte("no table, but longer than the smallest"))
	for _, c := range []struct {
		spec  string
		parts []string
	}{
		{"choice.parquet", []string{"left, right", `"#:left"`, `"#train:left"`}},
		{"choice.parquet#:middle", []string{`no column "middle"`, "left, right"}},
		{"choice.parquet#train", []string{`leave "#train" out`}},
		{"texts.parquet", []string{"no column of images", "text, n"}},
		{"label.parquet", []string{"label.parquet: row 1 has label 2", "at most 1"}},
		{"huge.parquet", []string{"row 1 has label 1099511627776"}},
		{"latin1.parquet", []string{`"2.jpg" is not UTF-8`}},
		{"note.parquet", []string{`"huggingface"`}},
		{"names", []string{"2.parquet: its classes have other names"}},
		{"splits", []string{"several splits (test, train)"}},
		{"splits#val", []string{`no split "val"`}},
		{"empty.parquet", []string{"no images"}},
		{"paths.parquet", []string{"no bytes, only paths", "list"}},
		{"text.parquet", []string{"text.parquet: 8 bytes are no Parquet file"}},
		{"damaged", []string{"1.parquet: it does not end in"}},
	} {
		wantError(t, filepath.Join(dir, c.spec), c.parts...)
	}
}

// TestBadTableImages has images that cannot be be bad ones when they are read.
func TestBadTableImages(t *testing.T) {
	columns := hf("image", members("1.jpg", "2.jpg", "3.jpg"))
	columns[0].Values[0], columns[0].Values[1] = nil, make([]byte, MaxImageBytes+1)
	d := openSpec(t, writeTemp(t, "", "x.parquet", parquettest.Write(t, parquettest.File{Properties: []parquet.WriterProperty{parquet.WithDictionaryDefault(false)}}, columns...)))
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	for i, says := range []string{"1.jpg: there is no image", "2.jpg: 62914561 bytes encoded", ""} {
		err := d.Read(t.Context(), i, s)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("image %d: %v, want %q", i, err, says)
		}
	}
}

// TestKeep leaves the bytes of some images out, which changes nothing else.
func TestKeep(t *testing.T) {
	file := writeTemp(t, "", "x.parquet", parquettest.Write(t, parquettest.File{}, hf("image", members("1.jpg", "2.jpg", "3.jpg"))...))
	all := openSpec(t, file)
	some, err := Open(t.Context(), file, Options{keep: func(key string) bool { return key == "2.jpg" }})
	if err != nil {
		t.Fatal(err)
	}
	defer some.Close()
	if some.Fingerprint() != all.Fingerprint() || some.Len() != 3 {
		t.Errorf("%d images, fingerprint %s of %s", some.Len(), some.Fingerprint(), all.Fingerprint())
	}
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	for i := range 3 {
		err := some.Read(t.Context(), i, s)
		if i == 1 && (err != nil || string(s.Bytes) != tinyImage(1)) {
			t.Errorf("image 1: %v, or other bytes", err)
		}
		if i != 1 && (err == nil || !strings.Contains(err.Error(), s.Key+" was left out")) {
			t.Errorf("image %d: %v", i, err)
		}
	}
}

// TestTableStopped ends the unpacking of a table when its context does, and leaves nothing.
func TestTableStopped(t *testing.T) {
	temp := t.TempDir()
	file := writeTemp(t, "", "x.parquet", parquettest.Write(t, parquettest.File{}, values("data", make([][]byte, 3000)...)))
	ctx, stop := context.WithCancel(t.Context())
	rows := 0
	_, err := Open(ctx, file, Options{TempDir: temp, keep: func(string) bool { stop(); rows++; return true }})
	if !errors.Is(err, context.Canceled) || rows == 3000 {
		t.Errorf("after %d rows of one page: error %v", rows, err)
	}
	if _, err := Open(ctx, file, Options{TempDir: temp}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestDamagedTable cuts and flips a table at many places: the error names the file, and nothing worse happens.
func TestDamagedTable(t *testing.T) {
	whole := parquettest.Write(t, parquettest.File{GroupRows: 2, Metadata: classLabel("label", "a", "b"), Properties: []parquet.WriterProperty{parquet.WithCompression(compress.Codecs.Snappy)}},
		append(hf("image", members("1.jpg", "2.jpg", "3.jpg")), values("label", int64(0), 1, 0))...)
	dir := t.TempDir()
	try := func(b []byte, must bool) {
		file := writeTemp(t, dir, "x.parquet", b)
		d, err := Open(t.Context(), file, Options{})
		switch {
		case err != nil && !strings.Contains(err.Error(), file):
			t.Errorf("error %q does not name the file", err)
		case err == nil && must:
			t.Error("a table that was cut was opened")
		case err == nil:
			s := pipeline.NewSample(t.Context(), pipeline.Key{})
			for i := range d.Len() {
				d.Read(t.Context(), i, s) //nolint:errcheck // any outcome will do, but a panic
			}
			d.Close()
		}
	}
	for n := 0; n < len(whole); n += 29 {
		try(whole[:n], true)
		flipped := slices.Clone(whole)
		flipped[n] ^= 1 << (n % 8)
		try(flipped, false)
	}
}
