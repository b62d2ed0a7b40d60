package datasets

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// A memoryBucket holds objects by name, in memory.
type memoryBucket map[string][]byte

func (b memoryBucket) List(context.Context) iter.Seq2[ObjectInfo, error] {
	return func(yield func(ObjectInfo, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(b)) {
			if !yield(ObjectInfo{name, int64(len(b[name]))}, nil) {
				return
			}
		}
	}
}

func (b memoryBucket) Open(_ context.Context, name string) (Object, error) {
	content, ok := b[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return memoryObject{bytes.NewReader(content)}, nil
}

func (memoryBucket) Close() error { return nil }

type memoryObject struct{ *bytes.Reader }

func (o memoryObject) ReadAt(_ context.Context, p []byte, offset int64) (int, error) {
	n, err := o.Reader.ReadAt(p, offset)
	if n == len(p) && err == io.EOF {
		err = nil
	}
	return n, err
}

func (memoryObject) Close() error { return nil }

// openObject opens an object of a bucket in memory, and returns what the images are; those that cannot be read have no bytes.
func openObject(t *testing.T, b memoryBucket, name, split string) (list []picture, err error) {
	t.Helper()
	d, err := openArchive(t.Context(), b, name, name, split, Options{TempDir: t.TempDir()})
	if err != nil {
		return nil, err
	}
	return readable(t, d), nil
}

func readable(t *testing.T, d Dataset) (list []picture) {
	t.Helper()
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	for i := range d.Len() {
		p := picture{}
		if err := d.Read(t.Context(), i, s); err == nil {
			p.bytes = string(s.Bytes)
		}
		p.key, p.label = s.Key, s.Label
		list = append(list, p)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	return list
}

// damagedForms are small archives of each format, and what of them may differ without an error when a bit does: nothing that the format has a
// checksum of.
var damagedForms = []struct {
	name  string
	write func(testing.TB) []byte
	safe  func([]picture) string
}{
	{"x.tar", func(t testing.TB) []byte { return tarBytes(t, damagedMembers()) }, outline},
	{"web.tar", func(t testing.TB) []byte {
		return tarBytes(t, files("0.jpg", "0.cls=17", "1.jpg", `1.json={"label": 3}`))
	}, keysOf},
	{"x.tar.gz", func(t testing.TB) []byte { return gzipBytes(t, tarBytes(t, damagedMembers())) }, everything},
	{"x.tar.zst", func(t testing.TB) []byte { return zstdBytes(t, tarBytes(t, damagedMembers())) }, everything},
}

func damagedMembers() []picture { return members("b/1.jpg", "a/2.jpg", "a/notes.txt", "a/3") }

func keysOf(list []picture) string {
	var keys []string
	for _, p := range list {
		keys = append(keys, p.key)
	}
	return strings.Join(keys, " ")
}

func everything(list []picture) string { return fmt.Sprintf("%q", list) }

// TestFlippedBits changes bits of archives all over: that is an error, or changes nothing but what the format does not protect.
func TestFlippedBits(t *testing.T) {
	step := 41 // bits, so that each place of a byte is met
	if testing.Short() {
		step = 321
	}
	for _, form := range damagedForms {
		whole := form.write(t)
		intact, err := openObject(t, memoryBucket{form.name: whole}, form.name, "")
		if err != nil {
			t.Fatal(err)
		}
		want, noticed := form.safe(intact), 0
		for bit := 0; bit < 8*len(whole); bit += step {
			b := bytes.Clone(whole)
			b[bit/8] ^= 1 << (bit % 8)
			got, err := openObject(t, memoryBucket{form.name: b}, form.name, "")
			switch {
			case err != nil && !strings.HasPrefix(err.Error(), form.name+": "):
				t.Fatalf("%s, bit %d: the error names no file: %v", form.name, bit, err)
			case err != nil:
				noticed++
			case form.safe(got) != want && !isLastImage(got, intact):
				t.Errorf("%s, bit %d: %s, want %s", form.name, bit, form.safe(got), want)
			}
		}
		t.Logf("%s: %d of %d changes are errors", form.name, noticed, (8*len(whole)+step-1)/step)
		if noticed == 0 {
			t.Errorf("%s: no change is noticed", form.name)
		}
	}
}

// isLastImage reports whether all that is missing is an image that is told from others by what it begins with.
func isLastImage(got, intact []picture) bool {
	return path.Ext(intact[len(intact)-1].key) == "" && keysOf(got) == keysOf(intact[:len(intact)-1])
}

// FuzzArchive opens what may be an archive of any format.
func FuzzArchive(f *testing.F) {
	for _, form := range damagedForms {
		f.Add(form.write(f), form.name)
	}
	f.Add(tarBytes(f, cifarFiles(10)[:1]), "x")
	f.Add(zstdBytes(f, make([]byte, 1<<20)), "x.zst")
	f.Fuzz(func(t *testing.T, content []byte, name string) {
		if len(content) > 32<<10 { // of zstd, that may be a gigabyte
			return
		}
		if list, err := openObject(t, memoryBucket{name: content}, name, ""); err == nil && len(list) == 0 {
			t.Error("a dataset without images")
		}
	})
}

// FuzzWebDataset opens archives of members with any names and contents.
func FuzzWebDataset(f *testing.F) {
	f.Add("0.jpg", "0.cls", "1.jpg", "1.json", []byte("1"), []byte(`{"label": 2}`))
	f.Add("a/0.x.jpg", "a/0.cls", "b.cls", "b.png", []byte("cat"), []byte("dog"))
	f.Add("0.jpg", "1.jpg", "1.json", "0.json", []byte(`{"class": "x"}`), []byte(`{"target": [1]}`))
	f.Fuzz(func(t *testing.T, a, b, c, d string, first, second []byte) {
		list := []picture{{key: a, bytes: tinyImage(0)}, {key: b, bytes: string(first)}, {key: c, bytes: tinyImage(1)}, {key: d, bytes: string(second)}}
		for _, m := range list {
			if m.key == "" || strings.ContainsRune(m.key, 0) || strings.HasSuffix(m.key, "/") {
				return
			}
		}
		got, err := openObject(t, memoryBucket{"x.tar": tarBytes(t, list)}, "x.tar", "")
		images := 0
		for _, m := range list {
			if isImage(m.key) && !isHidden(strings.TrimPrefix(path.Clean("/"+m.key), "/")) {
				images++
			}
		}
		if err == nil && len(got) < images {
			t.Errorf("%d of %d images", len(got), images)
		}
	})
}

// FuzzPublished opens sets of raw pixels whose files have any lengths and labels.
func FuzzPublished(f *testing.F) {
	f.Add([]byte("a\nb\n"), []byte{1, 2}, uint32(2*stlPixels), uint32(2*(cifarPixels+1)), byte(1))
	f.Add([]byte("a\nb\n"), []byte{1, 3}, uint32(2*stlPixels+1), uint32(0), byte(7))
	f.Fuzz(func(t *testing.T, names, labels []byte, stlSize, cifarSize uint32, fill byte) {
		const most = 1 << 20
		content := bytes.Repeat([]byte{fill}, most)
		for _, c := range []struct {
			bucket memoryBucket
			images uint32
		}{
			{memoryBucket{"test_X.bin": content[:stlSize%most], "test_y.bin": labels, stlNames: names}, stlSize % most / stlPixels},
			{memoryBucket{"test_batch.bin": content[:cifarSize%most], "batches.meta.txt": names}, cifarSize % most / (cifarPixels + 1)},
		} {
			d, err := openFolder(t.Context(), c.bucket, "set", "test", Options{})
			if err != nil {
				continue
			}
			list := readable(t, d)
			for _, p := range list {
				if p.bytes == "" || p.label < 0 {
					t.Errorf("%s=%d cannot be read", p.key, p.label)
				}
			}
			if len(list) != int(c.images) {
				t.Errorf("%d images, want %d", len(list), c.images)
			}
		}
	})
}

// FuzzPattern expands patterns.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"a-{000..012}.tar", "{a,b}/*.tar", "count://x/{0..3}?region=y", "{", "[", "{0..9999999}", "?", "*://a", "x://?{"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !isPattern(name) || strings.Count(name, "{") > 3 {
			return
		}
		_, pattern := splitPattern(name)
		if names, err := expand(t.Context(), memoryBucket{"a.tar": nil, "b/c.tar": nil}, pattern); err == nil && len(names) == 0 {
			t.Error("no names and no error")
		}
	})
}
