package datasets

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cifarFiles makes an archive in the published form of CIFAR-10 or CIFAR-100, with few images. Image k of a file has class
// k mod classes and pixels that tell file, place and channel.
func cifarFiles(classes int) []picture {
	layout, dir, images := cifarLayouts[0], "cifar-10-batches-bin/", 3
	if classes == 100 {
		layout, dir, images = cifarLayouts[1], "cifar-100-binary/", 120
	}
	var names strings.Builder
	for i := range classes {
		fmt.Fprintf(&names, "class%03d\n", i)
	}
	names.WriteString("\n") // as in the published file
	list := []picture{{key: dir + layout.names, bytes: names.String()}}
	for _, split := range []string{"train", "test"} {
		for f, name := range layout.splits[split] {
			var b bytes.Buffer
			for k := range images {
				b.Write(make([]byte, layout.labels-1))
				b.WriteByte(byte(k % classes))
				for p := range cifarPixels {
					b.WriteByte(byte(mix(uint32(f+10*k), p, len(split))))
				}
			}
			list = append(list, picture{key: dir + name, bytes: b.String()})
		}
	}
	return append(list, picture{key: dir + "readme.html", bytes: "<html>"})
}

// writeCIFAR packs them as they are published.
func writeCIFAR(t testing.TB, classes int) string {
	t.Helper()
	return writeTemp(t, "", fmt.Sprintf("cifar-%d-binary.tar.gz", classes), gzipBytes(t, tarBytes(t, cifarFiles(classes))))
}

func TestCIFAR(t *testing.T) {
	for _, c := range []struct{ classes, train, test int }{{10, 15, 3}, {100, 120, 120}} {
		packed := writeCIFAR(t, c.classes)
		unpacked := t.TempDir()
		for _, f := range cifarFiles(c.classes) {
			writeTemp(t, unpacked, f.key, []byte(f.bytes))
		}
		inside := filepath.Join(unpacked, filepath.Dir(cifarFiles(c.classes)[0].key))
		wantError(t, packed, "several splits (test, train)")
		for split, n := range map[string]int{"train": c.train, "test": c.test} {
			d := openSpec(t, packed+"#"+split)
			if d.Len() != n || len(d.Classes()) != c.classes || d.Classes()[7] != "class007" {
				t.Errorf("CIFAR-%d %s: %d images of classes %q", c.classes, split, d.Len(), d.Classes())
			}
			for _, other := range []string{unpacked, inside} {
				e := openSpec(t, other+"#"+split)
				if outline(pictures(t, e)) != outline(pictures(t, d)) || e.Fingerprint() != d.Fingerprint() {
					t.Errorf("%s differs from the archive", other)
				}
			}
			checkCIFARImage(t, d, split, n-1, c.classes)
		}
		train, test := openSpec(t, packed+"#train"), openSpec(t, packed+"#test")
		if train.Fingerprint() == test.Fingerprint() {
			t.Error("train and test have one fingerprint")
		}
	}
}

// checkCIFARImage compares image i with what cifarFiles wrote.
func checkCIFARImage(t *testing.T, d Dataset, split string, i, classes int) {
	t.Helper()
	p := pictures(t, d)[i]
	images := 3
	if classes == 100 {
		images = 120
	}
	f, k := i/images, i%images
	if int(p.label) != k%classes {
		t.Errorf("image %d has label %d", i, p.label)
	}
	m, err := png.Decode(strings.NewReader(p.bytes))
	if err != nil {
		t.Fatal(err)
	}
	if m.Bounds() != image.Rect(0, 0, 32, 32) {
		t.Fatalf("size %v", m.Bounds())
	}
	for at := range cifarPixels {
		channel, x, y := at/1024, at%32, at/32%32
		r, g, b, _ := m.At(x, y).RGBA()
		if got, want := byte([]uint32{r, g, b}[channel]>>8), byte(mix(uint32(f+10*k), at, len(split))); got != want {
			t.Fatalf("channel %d at (%d, %d) is %d, want %d", channel, x, y, got, want)
		}
	}
}

func TestDamagedCIFAR(t *testing.T) {
	const dir = "cifar-10-batches-bin"
	for _, c := range []struct {
		name   string
		damage func(root string) error
		says   string
	}{
		{"truncated batch", func(r string) error { return os.Truncate(filepath.Join(r, dir, "data_batch_3.bin"), 5000) },
			"data_batch_3.bin is truncated"},
		{"empty batch", func(r string) error { return os.Truncate(filepath.Join(r, dir, "data_batch_1.bin"), 0) },
			"data_batch_1.bin is truncated"},
		{"missing batch", func(r string) error { return os.Remove(filepath.Join(r, dir, "data_batch_5.bin")) },
			"data_batch_5.bin is missing"},
		{"class names", func(r string) error { return os.Truncate(filepath.Join(r, dir, "batches.meta.txt"), 0) },
			"names of the classes"},
		{"class out of range", func(r string) error {
			return os.WriteFile(filepath.Join(r, dir, "batches.meta.txt"), []byte("a\nb\n"), 0o644)
		}, "class 2 of 2"},
	} {
		root := t.TempDir()
		for _, f := range cifarFiles(10) {
			writeTemp(t, root, f.key, []byte(f.bytes))
		}
		if err := c.damage(root); err != nil {
			t.Fatal(err)
		}
		wantError(t, root+"#train", c.says, "again")
	}
}
