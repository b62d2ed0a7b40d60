package datasets

import (
	"fmt"
	"image"
	"image/png"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// stlFiles makes the files of STL-10 with few images.
func stlFiles() []picture {
	const dir = "stl10_binary/"
	var names strings.Builder
	for i := range 10 {
		fmt.Fprintf(&names, "class%d\n", i)
	}
	list := []picture{{key: dir + stlNames, bytes: names.String()}, {key: dir + "fold_indices.txt", bytes: "0 1"}}
	for f, split := range []string{"train", "test", "unlabeled"} {
		images := 3 + f
		pixels := make([]byte, images*stlPixels)
		labels := make([]byte, images)
		for i := range labels {
			labels[i] = byte(10 - i)
			for at := range stlPixels {
				pixels[i*stlPixels+at] = stlPixel(f, i, at)
			}
		}
		list = append(list, picture{key: dir + split + "_X.bin", bytes: string(pixels)})
		if split != "unlabeled" {
			list = append(list, picture{key: dir + split + "_y.bin", bytes: string(labels)})
		}
	}
	return list
}

// stlPixel is a byte of image i of a file.
func stlPixel(file, i, at int) byte { return byte(mix(uint32(file), i, at)) }

func writeSTL(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, f := range stlFiles() {
		writeTemp(t, dir, f.key, []byte(f.bytes))
	}
	return dir
}

func TestSTL10(t *testing.T) {
	dir := writeSTL(t)
	archive := tarBytes(t, stlFiles())
	specs := []string{dir, filepath.Join(dir, "stl10_binary"), writeTemp(t, "", "stl10_binary.tar.gz", gzipBytes(t, archive)), writeTemp(t, "", "stl.tar", archive)}
	for _, spec := range specs {
		wantError(t, spec, "several splits (test, train, train+unlabeled, unlabeled)")
		for _, c := range []struct {
			split, outline string
			files          []int
		}{
			{"train", "train/class9/0.png=9 train/class8/1.png=8 train/class7/2.png=7", []int{0, 0, 0}},
			{"test", "test/class9/0.png=9 test/class8/1.png=8 test/class7/2.png=7 test/class6/3.png=6", []int{1, 1, 1, 1}},
			{"unlabeled", "unlabeled/0.png=-1 unlabeled/1.png=-1 unlabeled/2.png=-1 unlabeled/3.png=-1 unlabeled/4.png=-1", []int{2, 2, 2, 2, 2}},
			{"train+unlabeled", "train/class9/0.png=9 train/class8/1.png=8 train/class7/2.png=7 " +
				"unlabeled/0.png=-1 unlabeled/1.png=-1 unlabeled/2.png=-1 unlabeled/3.png=-1 unlabeled/4.png=-1", []int{0, 0, 0, 2, 2, 2, 2, 2}},
		} {
			d := openSpec(t, spec+"#"+c.split)
			list := pictures(t, d)
			if outline(list) != c.outline || len(d.Classes()) != 10 || d.Fingerprint() != openSpec(t, dir+"#"+c.split).Fingerprint() {
				t.Errorf("%s#%s: %s of classes %q", spec, c.split, outline(list), d.Classes())
			}
			for i, p := range list {
				inFile := 0
				if _, err := fmt.Sscanf(path.Base(p.key), "%d.png", &inFile); err != nil {
					t.Fatal(err)
				}
				checkSTLImage(t, p.bytes, c.files[i], inFile)
			}
		}
	}
	train, test := openSpec(t, dir+"#train"), openSpec(t, dir+"#test")
	if train.Fingerprint() == test.Fingerprint() {
		t.Error("train and test have one fingerprint")
	}
}

// checkSTLImage compares an image with the bytes of its file, read as the authors of STL-10 do in Python:
//
//	images = numpy.fromfile(f, dtype=numpy.uint8).reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)   # image, row, column, channel
//
// so that the value at (row, column, channel) is that at byte 9216*channel + 96*column + row of the image.
func checkSTLImage(t *testing.T, file string, number, i int) {
	t.Helper()
	m, err := png.Decode(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if m.Bounds() != image.Rect(0, 0, 96, 96) {
		t.Fatalf("size %v", m.Bounds())
	}
	for row := range 96 {
		for column := range 96 {
			r, g, b, _ := m.At(column, row).RGBA()
			for channel, v := range []uint32{r, g, b} {
				if got, want := byte(v>>8), stlPixel(number, i, 9216*channel+96*column+row); got != want {
					t.Fatalf("file %d, image %d: channel %d at row %d, column %d is %d, want %d", number, i, channel, row, column, got, want)
				}
			}
		}
	}
}

func TestDamagedSTL10(t *testing.T) {
	file := func(root, name string) string { return filepath.Join(root, "stl10_binary", name) }
	for _, c := range []struct {
		name   string
		damage func(root string) error
		says   string
	}{
		{"truncated", func(r string) error { return os.Truncate(file(r, "train_X.bin"), stlPixels+1) }, "train_X.bin is truncated"},
		{"empty", func(r string) error { return os.Truncate(file(r, "train_X.bin"), 0) }, "train_X.bin is truncated"},
		{"missing", func(r string) error { return os.Remove(file(r, "train_X.bin")) }, "train_X.bin is missing"},
		{"no labels", func(r string) error { return os.Remove(file(r, "train_y.bin")) }, "train_y.bin is missing"},
		{"few labels", func(r string) error { return os.Truncate(file(r, "train_y.bin"), 2) }, "2 labels for 3 images"},
		{"label 0", func(r string) error { return os.WriteFile(file(r, "train_y.bin"), []byte{1, 0, 2}, 0o644) }, "image 1 has class 0 of 1 to 10"},
		{"label 11", func(r string) error { return os.WriteFile(file(r, "train_y.bin"), []byte{1, 2, 11}, 0o644) }, "image 2 has class 11"},
		{"class names", func(r string) error { return os.Truncate(file(r, stlNames), 0) }, "names of the classes"},
	} {
		root := writeSTL(t)
		if err := c.damage(root); err != nil {
			t.Fatal(err)
		}
		wantError(t, root+"#train", c.says, "again")
	}
	root := writeSTL(t)
	d := openSpec(t, root+"#unlabeled")
	if err := os.Truncate(file(root, "unlabeled_X.bin"), 3*stlPixels+5); err != nil {
		t.Fatal(err)
	}
	if err := d.Read(t.Context(), 3, pipeline.NewSample(t.Context(), pipeline.Key{})); err == nil || !strings.Contains(err.Error(), "unlabeled_X.bin at byte") {
		t.Errorf("reading a file that shrank: %v", err)
	}
}
