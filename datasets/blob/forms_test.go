package blob

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"image"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/datasets/blob/s3test"
)

// pictures are the names and contents of a small dataset.
func pictures(t testing.TB) map[string][]byte {
	files := map[string][]byte{}
	for i := range 60 {
		var b bytes.Buffer
		m := image.NewGray(image.Rect(0, 0, 40, 10+i))
		for k := range m.Pix {
			m.Pix[k] = byte(i * k * k)
		}
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		files[fmt.Sprintf("%s/%s %d%%é.png", []string{"train", "test"}[i%2]+"/"+[]string{"cat", "dog", "dog-big"}[i%3], "a+b", i)] = b.Bytes()
	}
	return files
}

// tarOf archives files, which are gone through in any order.
func tarOf(t testing.TB, files map[string][]byte) []byte {
	var members []archiveMember
	for name, content := range files {
		members = append(members, archiveMember{name, content})
	}
	return tarInOrder(t, members)
}

type archiveMember struct {
	name    string
	content []byte
}

func tarInOrder(t testing.TB, members []archiveMember) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		if err := w.WriteHeader(&tar.Header{Name: m.name, Size: int64(len(m.content)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipOf(t testing.TB, content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// forms returns a dataset in all forms, as files by path, with the specs of each.
func forms(t testing.TB) (files map[string][]byte, specs []string) {
	images := pictures(t)
	archive := tarOf(t, images)
	files = map[string][]byte{"a/photos.tar": archive, "photos.tar.gz": gzipOf(t, archive), "a/.hidden/x.png": {1}, "a/photos/.x.png": {1}}
	for name, content := range images {
		files["a/photos/"+name] = content
	}
	for _, name := range []string{"a/photos", "a/photos.tar", "photos.tar.gz"} {
		specs = append(specs, name+"#train", name+"#test")
	}
	addShards(t, files, "shards")
	return files, append(append(specs, "shards"), moreForms(t, files)...)
}

// addShards ingests the archive among files and adds the shards of a split.
func addShards(t testing.TB, files map[string][]byte, folder string) {
	archive := filepath.Join(writeFiles(t, map[string][]byte{"photos.tar": files["a/photos.tar"]}), "photos.tar")
	src, err := datasets.Open(t.Context(), archive+"#train", datasets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	out := filepath.Join(t.TempDir(), "shards")
	_, err = datasets.Ingest(t.Context(), src, out, datasets.IngestOptions{
		Check: func([]byte) (width, height int, err error) { return 1, 1, nil }, ShardBytes: 1 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 4 {
		t.Fatalf("%d files of shards", len(names))
	}
	for _, e := range names {
		if files[folder+"/"+e.Name()], err = os.ReadFile(filepath.Join(out, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

// writeFiles writes files into a folder.
func writeFiles(t testing.TB, files map[string][]byte) (dir string) {
	dir = t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestFormsRemote makes sure that each form is the same from S3, also while it fails, and through file://, as from the disk.
func TestFormsRemote(t *testing.T) {
	files, specs := forms(t)
	dir := writeFiles(t, files)
	sound, faulty := newServer(t, maps.Clone(files)), newServer(t, maps.Clone(files))
	sound.Put("a/photos/", nil) // as some programs make folders
	faults := []s3test.Fault{s3test.Refuse, s3test.Throttle, s3test.Busy, s3test.Drop, s3test.Cut, s3test.Mislead}
	faulty.Faults = s3test.Some(0.2, 1, faults...)
	for _, spec := range specs {
		t.Run(spec, func(t *testing.T) {
			want := content(t, filepath.Join(dir, spec))
			if len(want) != 31 {
				t.Fatalf("%d images", len(want)-1)
			}
			name, split, divided := strings.Cut(spec, "#")
			if divided {
				split = "#" + split
			}
			for place, spec := range map[string]string{
				"S3":      sound.url(name) + split,
				"bad S3":  faulty.url(name) + split,
				"file://": "file://" + dir + "/" + spec,
			} {
				if got := content(t, spec); !maps.Equal(got, want) {
					t.Errorf("%s: %d images differ from the %d of the disk", place, len(got)-1, len(want)-1)
				}
			}
		})
	}
	for _, f := range faults {
		if faulty.Faulty(f) == 0 {
			t.Errorf("fault %d never happened", f)
		}
	}
}
