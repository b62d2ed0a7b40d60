package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing/fstest"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/klauspost/compress/zstd"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

// A form is a format whose inputs are mutated.
type form struct {
	name string
	// checked says that the format has checksums of all that makes its images: none may be taken that is another.
	checked bool
	// whole says that no image may be missing from what opens without an error.
	whole bool
	open  func(ctx context.Context, dir string) (inputs, error)
}

// inputs are intact files, and what reads them.
type inputs struct {
	files [][]byte
	// take reads file i with these bytes in its place.
	take func(ctx context.Context, i int, b []byte) content
}

// A content is what was read of an input.
type content struct {
	err    error // that all of it is refused with
	images map[string][32]byte
	bad    map[string]error
}

// What comes of an input.
const (
	refused   = "refused"
	unchanged = "taken as it was"
	told      = "some images refused"
	another   = "taken with other content, of which the format has no checksum"
	missing   = "taken without some images, which the format does not count"
)

// against says what came of an input that is c where it is intact.
func (c content) against(intact content) string {
	if c.err != nil {
		return refused
	}
	lost, altered, bad := 0, 0, len(c.bad)
	for key, want := range intact.images {
		got, there := c.images[key]
		_, isBad := c.bad[key]
		switch {
		case !there && !isBad:
			lost++
		case there && got != want:
			altered++
		}
	}
	switch {
	case lost > 0 && len(c.images)+bad < len(intact.images):
		return fmt.Sprintf("%s: %d", missing, len(intact.images)-len(c.images)-bad)
	case altered > 0 || lost > 0: // under another name
		return fmt.Sprintf("%s: %d", another, altered+lost)
	case bad > 0:
		return told
	}
	return unchanged
}

// must is what must hold of mutated inputs.
func (f *form) must(patience time.Duration) string {
	s := fmt.Sprintf("no crash, no hang within %s, at most %d MiB", patience, mutationMemory)
	if f.checked {
		s += ", no other image taken"
	}
	if f.whole {
		s += ", none missing untold"
	}
	return s
}

// judge counts what came of input n.
func (f *form) judge(r *row, n int, kind, detail string) {
	r.add(kind, 1)
	if kind != another && kind != missing {
		return
	}
	images := 1
	if _, err := fmt.Sscan(detail, &images); err != nil {
		r.fail("input %d: %q", n, detail)
	}
	switch {
	case kind == another && f.checked:
		r.compare(difference{altered: images})
		r.fail("input %d", n)
	case kind == missing && f.whole:
		r.compare(difference{lost: images})
		r.fail("input %d", n)
	}
}

func formOf(name string) *form {
	for _, f := range forms {
		if f.name == name {
			return f
		}
	}
	return nil
}

var forms = []*form{
	{"JPEG", false, true, imageFiles("420.jpg", "422.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "orientation6.jpg")},
	{"PNG", true, true, imageFiles("rgb.png", "grey16.png", "palette.png", "bilevel.png", "orientation6.png")},
	{"WebP", false, true, imageFiles("lossy.webp", "lossless.webp", "alpha.webp", "animated.webp")},
	{"GIF", false, true, imageFiles("still.gif", "animated.gif")},
	{"TIFF", false, true, imageFiles("lzw.tiff", "deflate.tiff", "raw.tiff", "orientation8.tiff")},
	{"tar", false, false, archive("x.tar", false, asItIs)},
	{"tar.gz", true, true, archive("x.tar.gz", false, gzipped)},
	{"tar.zst", true, true, archive("x.tar.zst", false, zstandard)},
	{"WebDataset", false, false, archive("x.tar", true, asItIs)},
	{"Parquet", false, false, parquetTables},
	{"CIFAR-10", false, false, cifarFiles},
	{"STL-10", false, false, stlFiles},
	{"CSV list", false, false, list("list.csv", func(p photo) string { return p.key + "," + filepath.Dir(p.key) + "\n" }, "path,label\n")},
	{"JSON list", false, false, list("list.jsonl", func(p photo) string {
		return fmt.Sprintf("{\"path\": %q, \"label\": %q}\n", p.key, filepath.Dir(p.key))
	}, "")},
	{"shards, manifest and quarantine", true, true, shardFolder},
}

const mostMutatedPixels = 1 << 22

// imageFiles are files of the decoder's tests, decoded whole.
func imageFiles(names ...string) func(context.Context, string) (inputs, error) {
	return func(context.Context, string) (in inputs, err error) {
		for _, name := range names {
			b, err := os.ReadFile(filepath.Join("stages", "testdata", "decode", name))
			if err != nil {
				return inputs{}, fmt.Errorf("%w: run it from the root of the repository", err)
			}
			in.files = append(in.files, b)
		}
		in.take = func(ctx context.Context, _ int, b []byte) content {
			s := pipeline.NewSample(ctx, pipeline.Key{})
			s.Bytes = b
			if err := (stages.Decode{MaxPixels: mostMutatedPixels}).Apply(s); err != nil {
				return content{err: err}
			}
			return content{images: map[string][32]byte{"": sha256.Sum256(fmt.Appendf(nil, "%d %d %s", s.Image.W, s.Image.H, s.Image.Pix))}}
		}
		return in, nil
	}
}

// someImages are small images.
func someImages(ctx context.Context, n int) (list []photo, err error) {
	d, err := datasets.Open(ctx, fmt.Sprintf("synthetic:n=%d,size=24", n), datasets.Options{})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	s := pipeline.NewSample(ctx, pipeline.Key{})
	for i := range n {
		if err := d.Read(ctx, i, s); err != nil {
			return nil, err
		}
		list = append(list, photo{fmt.Sprintf("%c/%d.png", 'a'+i%3, i), bytes.Clone(s.Bytes)})
	}
	return list, nil
}

// inMemory takes a dataset that lies in a store with some files, one of which is mutated.
func inMemory(spec, mutated string, others fstest.MapFS) func(ctx context.Context, i int, b []byte) content {
	return func(ctx context.Context, _ int, b []byte) content {
		others[mutated] = &fstest.MapFile{Data: b}
		buckets.Store("memory", &bucket{objects: others})
		images, bad, err := contentOf(ctx, "test://memory/"+spec, datasets.Options{})
		return content{err, images, bad}
	}
}

func asItIs(b []byte) ([]byte, error) { return b, nil }

func gzipped(b []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

func zstandard(b []byte) ([]byte, error) {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	return w.EncodeAll(b, nil), nil
}

// archive is a tar archive of some images, with labels beside them or by their folders.
func archive(name string, labels bool, pack func([]byte) ([]byte, error)) func(context.Context, string) (inputs, error) {
	return func(ctx context.Context, _ string) (inputs, error) {
		list, err := someImages(ctx, 9)
		if err != nil {
			return inputs{}, err
		}
		if labels {
			var all []photo
			for i, p := range list {
				key := fmt.Sprintf("%04d", i)
				all = append(all, photo{key + ".png", p.bytes}, photo{key + ".json", fmt.Appendf(nil, `{"label": %d}`, i%3)})
			}
			list = all
		}
		b, err := tarOf(list)
		if err != nil {
			return inputs{}, err
		}
		b, err = pack(b)
		return inputs{[][]byte{b}, inMemory(name, name, fstest.MapFS{})}, err
	}
}

// parquetTables are tables of images, by several compressions.
func parquetTables(ctx context.Context, _ string) (inputs, error) {
	list, err := someImages(ctx, 12)
	if err != nil {
		return inputs{}, err
	}
	field := arrow.StructOf(arrow.Field{Name: "bytes", Type: arrow.BinaryTypes.Binary}, arrow.Field{Name: "path", Type: arrow.BinaryTypes.String})
	schema := arrow.NewSchema([]arrow.Field{{Name: "image", Type: field}, {Name: "label", Type: arrow.PrimitiveTypes.Int64}}, nil)
	rows := array.NewRecordBuilder(memory.NewGoAllocator(), schema)
	defer rows.Release()
	images := rows.Field(0).(*array.StructBuilder)
	for i, p := range list {
		images.Append(true)
		images.FieldBuilder(0).(*array.BinaryBuilder).Append(p.bytes)
		images.FieldBuilder(1).(*array.StringBuilder).Append(p.key)
		rows.Field(1).(*array.Int64Builder).Append(int64(i % 3))
	}
	record := rows.NewRecord()
	defer record.Release()
	in := inputs{take: inMemory("x.parquet", "x.parquet", fstest.MapFS{})}
	for _, codec := range []compress.Compression{compress.Codecs.Uncompressed, compress.Codecs.Snappy, compress.Codecs.Zstd} {
		var out bytes.Buffer
		w, err := pqarrow.NewFileWriter(schema, &out, parquet.NewWriterProperties(parquet.WithCompression(codec)), pqarrow.DefaultWriterProps())
		if err != nil {
			return inputs{}, err
		}
		if err := errors.Join(w.Write(record), w.Close()); err != nil {
			return inputs{}, err
		}
		in.files = append(in.files, out.Bytes())
	}
	return in, nil
}

// published is a file of raw pixels among those that make a set of it.
func published(file string, size int, others fstest.MapFS) (inputs, error) {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i * i >> 3)
	}
	if file == "test_batch.bin" {
		for i := 0; i < size; i += 3073 {
			b[i] = byte(i/3073) % 10
		}
	}
	return inputs{[][]byte{b}, inMemory("#test", file, others)}, nil
}

func cifarFiles(context.Context, string) (inputs, error) {
	names := "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n"
	return published("test_batch.bin", 12*3073, fstest.MapFS{"batches.meta.txt": {Data: []byte(names)}})
}

func stlFiles(context.Context, string) (inputs, error) {
	return published("test_X.bin", 4*96*96*3, fstest.MapFS{"test_y.bin": {Data: []byte{1, 2, 1, 2}}, "class_names.txt": {Data: []byte("cat\ndog\n")}})
}

// list is a list of images that lie beside it.
func list(name string, line func(photo) string, head string) func(context.Context, string) (inputs, error) {
	return func(ctx context.Context, _ string) (inputs, error) {
		photos, err := someImages(ctx, 20)
		if err != nil {
			return inputs{}, err
		}
		others := fstest.MapFS{}
		text := head
		for _, p := range photos {
			others[p.key] = &fstest.MapFile{Data: p.bytes}
			text += line(p)
		}
		return inputs{[][]byte{[]byte(text)}, inMemory(name, name, others)}, nil
	}
}

// shardFolder is a folder of shards, with a file of it mutated. Verify must refuse it, and no image may be read that is another.
func shardFolder(ctx context.Context, dir string) (in inputs, err error) {
	list, err := someImages(ctx, 30)
	if err != nil {
		return inputs{}, err
	}
	list[4].bytes, list[9].bytes = []byte("no image"), list[9].bytes[:30]
	b, err := tarOf(list)
	if err != nil {
		return inputs{}, err
	}
	src, shards := filepath.Join(dir, "x.tar"), filepath.Join(dir, "shards")
	if err := os.WriteFile(src, b, 0o644); err != nil {
		return inputs{}, err
	}
	if _, err := ingestSpec(ctx, src, shards, 16<<10); err != nil {
		return inputs{}, err
	}
	all, err := files(shards)
	if err != nil {
		return inputs{}, err
	}
	names := slices.Sorted(maps.Keys(all))
	for _, name := range names {
		in.files = append(in.files, all[name])
	}
	in.take = func(ctx context.Context, i int, b []byte) (c content) {
		file := filepath.Join(shards, names[i])
		if err := os.WriteFile(file, b, 0o644); err != nil {
			return content{err: err}
		}
		defer func() {
			if err := os.WriteFile(file, in.files[i], 0o644); err != nil {
				c.err = errors.Join(c.err, err)
			}
		}()
		c = readShards(ctx, shards)
		if _, err := datasets.Verify(ctx, shards, nil); err == nil && !bytes.Equal(b, in.files[i]) {
			clear(c.images) // worse than one: nobody would know
		}
		return c
	}
	return in, nil
}

// readShards reads a folder of shards. Labels and keys are for Verify, since a row's checksum is of its image.
func readShards(ctx context.Context, dir string) content {
	d, err := datasets.Open(ctx, dir, datasets.Options{})
	if err != nil {
		return content{err: err}
	}
	defer d.Close()
	c := content{images: map[string][32]byte{}, bad: map[string]error{}}
	s := pipeline.NewSample(ctx, pipeline.Key{})
	for i := range d.Len() {
		row := fmt.Sprint(i)
		if err := d.Read(ctx, i, s); err != nil {
			c.bad[row] = err
		} else {
			c.images[row] = sha256.Sum256(s.Bytes)
		}
	}
	for bad, err := range datasets.ReadQuarantine(dir) {
		row := "quarantine " + bad.Key
		if err != nil {
			c.bad[strings.TrimSpace(row)] = err
			continue
		}
	}
	return c
}
