package datasets

import (
	"archive/tar"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/datasets/internal/parquet/parquettest"
)

// A collected is images with their labels, to be written in some form.
type collected struct {
	images  []picture
	classes []string // by label
}

// collect reads images from an archive of class folders, at most a number of them, by means that have nothing to do with this package.
func collect(t *testing.T, archive string, most int) collected {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var images []picture
	for r := tar.NewReader(f); len(images) < most; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			images = append(images, picture{key: h.Name, bytes: string(b)})
		}
	}
	return classed(images)
}

// classed gives images the labels that their folders tell.
func classed(images []picture) collected {
	classes := map[string]bool{}
	for _, p := range images {
		classes[path.Base(path.Dir(p.key))] = true
	}
	c := collected{slices.Clone(images), slices.Sorted(maps.Keys(classes))}
	for i, p := range c.images {
		c.images[i].label = int32(slices.Index(c.classes, path.Base(path.Dir(p.key))))
	}
	return c
}

// forms are the ways to write images such that Open gives them back with their names and labels. Each writes into an empty folder and returns
// what to open.
var forms = []struct {
	name  string
	write func(t *testing.T, dir string, c collected) (spec string)
}{
	{"folder", writeFolder},
	{"folder in a store", func(t *testing.T, dir string, c collected) string { return "count://" + writeFolder(t, dir, c) }},
	{"tar", func(t *testing.T, dir string, c collected) string {
		return writeTemp(t, dir, "x.tar", tarBytes(t, c.images))
	}},
	{"tar without a telling name", func(t *testing.T, dir string, c collected) string {
		return writeTemp(t, dir, "images", tarBytes(t, c.images))
	}},
	{"tar in a store", func(t *testing.T, dir string, c collected) string {
		writeTemp(t, dir, "x.tar", tarBytes(t, c.images))
		return "count://" + dir + "/x.tar"
	}},
	{"tar.gz", func(t *testing.T, dir string, c collected) string {
		return writeTemp(t, dir, "x.tar.gz", gzipBytes(t, tarBytes(t, c.images)))
	}},
	{"tar.gz in a store", func(t *testing.T, dir string, c collected) string {
		writeTemp(t, dir, "x.tgz", gzipBytes(t, tarBytes(t, c.images)))
		return "count://" + dir
	}},
	{"tar.zst", func(t *testing.T, dir string, c collected) string {
		return writeTemp(t, dir, "x.tar.zst", zstdBytes(t, tarBytes(t, c.images)))
	}},
	{"folder of archives of all kinds", func(t *testing.T, dir string, c collected) string {
		third := len(c.images) / 3
		writeTemp(t, dir, "0.tar", tarBytes(t, c.images[:third]))
		writeTemp(t, dir, "1.tgz", gzipBytes(t, tarBytes(t, c.images[third:2*third])))
		writeTemp(t, dir, "2.tar.zst", zstdBytes(t, tarBytes(t, c.images[2*third:])))
		return dir
	}},
	{"WebDataset, .cls", func(t *testing.T, dir string, c collected) string {
		return writeTemp(t, dir, "x.tar", tarBytes(t, c.labelled(".cls", func(p picture) string { return fmt.Sprint(p.label) })))
	}},
	{"WebDataset, .cls with words, packed", func(t *testing.T, dir string, c collected) string {
		return writeTemp(t, dir, "x.tar.zst", zstdBytes(t, tarBytes(t, c.labelled(".cls", func(p picture) string { return c.classes[p.label] }))))
	}},
	{"WebDataset, .json, two shards", func(t *testing.T, dir string, c collected) string {
		return writeWebDataset(t, dir, c) + "/x-{0000..0001}.tar.gz"
	}},
	{"WebDataset in a store", func(t *testing.T, dir string, c collected) string {
		return "count://" + writeWebDataset(t, dir, c) + "/x-*.tar.gz"
	}},
	{"shards", func(t *testing.T, dir string, c collected) string {
		return writeShards(t, filepath.Join(dir, "shards"), writeFolder(t, filepath.Join(dir, "images"), c))
	}},
	{"shards of shards", func(t *testing.T, dir string, c collected) string {
		first := writeShards(t, filepath.Join(dir, "first"), writeTemp(t, dir, "x.tar", tarBytes(t, c.images)))
		return writeShards(t, filepath.Join(dir, "second"), first)
	}},
	{"Parquet with names of the classes", func(t *testing.T, dir string, c collected) string {
		f := parquettest.File{Metadata: classLabel("label", c.classes...), GroupRows: 100}
		return writeTemp(t, dir, "x.parquet", parquettest.Write(t, f, append(hf("image", c.images), c.labelColumn())...))
	}},
	{"Parquet, numbers, two files", func(t *testing.T, dir string, c collected) string {
		half := len(c.images) / 2
		for i, part := range []collected{{c.images[:half], c.classes}, {c.images[half:], c.classes}} {
			writeTemp(t, dir, fmt.Sprintf("train-%05d-of-00002.parquet", i), parquettest.Write(t, parquettest.File{}, append(hf("img", part.images), part.labelColumn())...))
		}
		return dir + "#train"
	}},
	{"Parquet with words", func(t *testing.T, dir string, c collected) string {
		label := parquettest.Column{Path: []string{"label"}}
		for _, p := range c.images {
			label.Values = append(label.Values, c.classes[p.label])
		}
		return writeTemp(t, dir, "x", parquettest.Write(t, parquettest.File{GroupRows: 100}, append(hf("image", c.images), label)...))
	}},
	{"CSV", func(t *testing.T, dir string, c collected) string { return writeList(t, dir, c, "x.csv", ',') }},
	{"TSV without a telling name", func(t *testing.T, dir string, c collected) string { return writeList(t, dir, c, "list", '\t') }},
	{"CSV in a store", func(t *testing.T, dir string, c collected) string {
		return "count://" + writeList(t, dir, c, "x.csv", ',')
	}},
	{"JSON by the line", func(t *testing.T, dir string, c collected) string {
		var lines strings.Builder
		for _, p := range c.images {
			line, err := json.Marshal(map[string]any{"file": p.key, "class": c.classes[p.label]})
			if err != nil {
				t.Fatal(err)
			}
			lines.Write(append(line, '\n'))
		}
		return writeTemp(t, writeFolder(t, dir, c), "lines", []byte(lines.String()))
	}},
}

func writeFolder(t *testing.T, dir string, c collected) string {
	t.Helper()
	for _, p := range c.images {
		writeTemp(t, dir, p.key, []byte(p.bytes))
	}
	return dir
}

// labelled has a file beside each image that tells its class.
func (c collected) labelled(ext string, label func(picture) string) []picture {
	var list []picture
	for _, p := range c.images {
		list = append(list, p, picture{key: stemOf(p.key) + ext, bytes: label(p)})
	}
	return list
}

func (c collected) labelColumn() parquettest.Column {
	var labels []int64
	for _, p := range c.images {
		labels = append(labels, int64(p.label))
	}
	return values("label", labels...)
}

func writeWebDataset(t *testing.T, dir string, c collected) string {
	t.Helper()
	list := c.labelled(".json", func(p picture) string { return fmt.Sprintf(`{"label": %d, "key": %q}`, p.label, p.key) })
	half := len(list) / 4 * 2 // a sample is two members
	for i, part := range [][]picture{list[:half], list[half:]} {
		writeTemp(t, dir, fmt.Sprintf("x-%04d.tar.gz", i), gzipBytes(t, tarBytes(t, part)))
	}
	return dir
}

func writeShards(t *testing.T, dir, spec string) string {
	t.Helper()
	if _, err := Ingest(t.Context(), openSpec(t, spec), dir, IngestOptions{Check: accept, ShardBytes: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func writeList(t *testing.T, dir string, c collected, name string, comma rune) string {
	t.Helper()
	var lines strings.Builder
	w := csv.NewWriter(&lines)
	w.Comma = comma
	records := [][]string{{"label", "path"}}
	for _, p := range c.images {
		records = append(records, []string{fmt.Sprint(p.label), p.key})
	}
	if err := w.WriteAll(records); err != nil {
		t.Fatal(err)
	}
	return writeTemp(t, writeFolder(t, dir, c), name, []byte(lines.String()))
}

// TestForms has the same images come out of every form that they may go in by.
func TestForms(t *testing.T) {
	countRequests(t)
	large := 200
	if testing.Short() {
		large = 20
	}
	for _, set := range []struct {
		name   string
		images func(t *testing.T) collected
	}{
		{"odd names", func(*testing.T) collected {
			return classed(members("ant/1.jpg", "ant/2, small.jpg", "bee/1.jpg", `bee/"2".jpg`, "cat/{1}.jpg", "cat/a#b.png"))
		}},
		{"cifar10-test", func(t *testing.T) collected { return collect(t, realData(t, "cifar10-test.tar"), 300) }},
		{"imagenet-sample", func(t *testing.T) collected { return collect(t, realData(t, "imagenet-sample.tar"), large) }},
	} {
		t.Run(set.name, func(t *testing.T) {
			c := set.images(t)
			want := slices.SortedFunc(slices.Values(c.images), comparePictures)
			for _, form := range forms {
				t.Run(form.name, func(t *testing.T) {
					d := openSpec(t, form.write(t, t.TempDir(), c))
					got := slices.SortedFunc(slices.Values(pictures(t, d)), comparePictures)
					if len(got) != len(want) || len(d.Classes()) != len(c.classes) {
						t.Fatalf("%d images of %d classes, want %d of %d", len(got), len(d.Classes()), len(want), len(c.classes))
					}
					for i := range want {
						if got[i] != want[i] {
							t.Fatalf("%s=%d, %d bytes; want %s=%d, %d bytes, the same", got[i].key, got[i].label, len(got[i].bytes),
								want[i].key, want[i].label, len(want[i].bytes))
						}
					}
				})
			}
		})
	}
}

func comparePictures(a, b picture) int { return strings.Compare(a.key, b.key) }
