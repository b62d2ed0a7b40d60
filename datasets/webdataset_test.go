package datasets

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// files makes members of "name" or "name=content"; those without content are images.
func files(names ...string) []picture {
	var list []picture
	for i, name := range names {
		name, content, ok := strings.Cut(name, "=")
		if !ok {
			content = tinyImage(i)
		}
		list = append(list, picture{key: name, bytes: content})
	}
	return list
}

func TestWebDataset(t *testing.T) {
	for _, c := range []struct {
		name, classes, outline string
		files                  []string
	}{
		{"numbers", "0 1 2", "00.jpg=2 01.png=0", []string{"00.cls=2\n", "00.jpg", "01.png", "01.cls=0"}},
		{"words", "cat dog", "00.jpg=1 01.jpg=0", []string{"00.jpg", "00.cls=dog", "01.cls= cat ", "01.jpg"}},
		{"JSON", "0 1 2 3", "a/00.jpg=3 a/01.jpg=1", []string{"a/00.jpg", `a/00.json={"label": 3, "x": [1]}`, `a/01.json={"cls": "1"}`, "a/01.jpg"}},
		{"JSON, names of the field", "a b c d", "0.jpg=0 1.jpg=1 2.jpg=2 3.jpg=3",
			[]string{"0.jpg", `0.json={"label": "a"}`, "1.jpg", `1.json={"cls":"b"}`, "2.jpg", `2.json={"class":"c","target":"x"}`, "3.jpg", `3.json={"label":null,"target":"d"}`}},
		{"JSON, whole numbers with a point", "0 1 2 3 4 5 6 7", "0.jpg=7", []string{"0.jpg", `0.json={"label": 7.0}`}},
		{".cls comes before .json", "x", "0.jpg=0", []string{"0.jpg", `0.json={"label": "y"}`, "0.cls=x"}},
		{".cls comes before .json, from either side", "x", "0.jpg=0", []string{"0.cls=x", `0.json={"label": "y"}`, "0.jpg"}},
		{"double extensions", "0 1", "k.image.jpg=1 k.mask.png=1", []string{"k.cls=1", "k.image.jpg", "k.mask.png"}},
		{"a label with two", "0 1", "k.jpg=1", []string{"k.class.cls=1", "k.jpg"}},
		{"names full of dots", "a b c", "p.0.jpg=0 p.1.jpg=1 p.2.jpg=2 p.3.jpg=-1",
			[]string{"p.0.jpg", "p.0.cls=a", "p.1.cls=b", "p.1.jpg", "p.2.jpg", "p.2.cls=c", "p.3.jpg"}},
		{"names full of dots, one without a label", "x", "p.0.jpg=-1 p.1.jpg=0", []string{"p.0.jpg", "p.1.jpg", "p.1.cls=x"}},
		{"some without a label", "0 1", "0.jpg=-1 1.jpg=1 2.jpg=-1", []string{"0.jpg", "1.cls=1", "1.jpg", "2.jpg", "2.cls=-1"}},
		{"text is no label", "", "0.jpg=-1", []string{"0.jpg", "0.txt=cat"}},
		{"folders class no images that have labels", "0 1", "cat/0.jpg=1 dog/1.jpg=-1", []string{"cat/0.jpg", "cat/0.cls=1", "dog/1.jpg"}},
		{"JSON that tells no class", "cat dog", "cat/0.jpg=0 dog/1.jpg=1", []string{"cat/0.jpg", `cat/0.json={"box": [1, 2]}`, "dog/1.jpg", "dog/1.json=[3]"}},
		{"JSON elsewhere", "cat dog", "cat/0.jpg=0 dog/1.jpg=1", []string{"cat/0.jpg", "dog/1.jpg", `about.json={"label": "x"}`, "broken.json={"}},
		{"broken JSON that nobody reads", "cat dog", "cat/0.jpg=0 dog/1.jpg=1", []string{"cat/0.jpg", "cat/0.json={", "dog/1.jpg"}},
		{"found by content", "0 1 2 3 4 5", "0.image=5", []string{"0.image", "0.cls=5"}},
	} {
		d := openSpec(t, writeTemp(t, "", "x.tar", tarBytes(t, files(c.files...))))
		if got := sortedOutline(t, d); got != c.outline || strings.Join(d.Classes(), " ") != c.classes {
			t.Errorf("%s: %s of classes %q, want %s of %s", c.name, got, d.Classes(), c.outline, c.classes)
		}
	}
	for _, c := range []struct {
		name  string
		parts []string
		files []string
	}{
		{"labels apart", []string{"0.cls does not lie next to", "--sort=name"}, []string{"0.jpg", "1.jpg", "1.cls=1", "0.cls=0"}},
		{"all labels apart", []string{"0.cls does not lie next to"}, []string{"0.jpg", "1.jpg", "0.cls=0", "1.cls=1"}},
		{"double extensions apart", []string{"0.cls does not lie next to"}, []string{"0.image.jpg", "1.jpg", "1.cls=1", "0.cls=0"}},
		{"empty .cls", []string{"0.cls", "one number or word"}, []string{"0.jpg", "0.cls= \n"}},
		{"two lines", []string{"0.cls", "one number or word"}, []string{"0.jpg", "0.cls=1\n2"}},
		{"no UTF-8", []string{"0.cls", "one number or word"}, []string{"0.jpg", "0.cls=\xff"}},
		{"broken JSON", []string{"1.json", "no JSON"}, []string{"0.jpg", `0.json={"label":1}`, "1.jpg", `1.json={"label":`}},
		{"a list", []string{"1.json", `"label" is [1,2]`}, []string{"0.jpg", `0.json={"label":1}`, "1.jpg", `1.json={"label":[1,2]}`}},
		{"a fraction", []string{"1.json", `"label" is 1.5`}, []string{"0.jpg", `0.json={"label":1}`, "1.jpg", `1.json={"label":1.5}`}},
		{"a large number", []string{"99999999"}, []string{"0.jpg", "0.cls=99999999"}},
	} {
		wantError(t, writeTemp(t, "", "x.tar", tarBytes(t, files(c.files...))), append(c.parts, "x.tar")...)
	}
}

// TestLabelWithoutImage has such samples be images that cannot be read: they are counted and not lost.
func TestLabelWithoutImage(t *testing.T) {
	d := openSpec(t, writeTemp(t, "", "x.tar", tarBytes(t, files("a/0.jpg", "a/0.cls=1", "a/1.cls=0", "a/2.bmp=BM", `a/2.json={"label": 1}`))))
	if d.Len() != 3 {
		t.Fatalf("%d images", d.Len())
	}
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	for i, want := range []struct {
		key   string
		label int32
	}{{"a/0.jpg", 1}, {"a/1.cls", 0}, {"a/2.json", 1}} {
		err := d.Read(t.Context(), i, s)
		if s.Key != want.key || s.Label != want.label || (err != nil) != (i > 0) {
			t.Errorf("image %d: %s=%d, %v", i, s.Key, s.Label, err)
		} else if i > 0 && !strings.Contains(err.Error(), want.key+": there is no image") {
			t.Errorf("error %v", err)
		}
	}
	many := files("0.jpg", "0.cls=1")
	for i := range mostLoose + 1 {
		many = append(many, picture{key: fmt.Sprintf("x%d.cls", i), bytes: "1"})
	}
	wantError(t, writeTemp(t, "", "x.tar", tarBytes(t, many)), "more than 10000 labels have no image", "x0.cls")
}

// TestLongSample has more members with one key than are held at once.
func TestLongSample(t *testing.T) {
	list := files("p.first.jpg") // so that the limit falls between an image and its label
	var want strings.Builder
	want.WriteString("p.first.jpg=-1 ")
	for i := range mostSample {
		stem := fmt.Sprintf("p.%04d", i)
		list = append(list, picture{key: stem + ".jpg", bytes: tinyImage(0)}, picture{key: stem + ".cls", bytes: fmt.Sprint(i % 7)})
		fmt.Fprintf(&want, "%s.jpg=%d ", stem, i%7)
	}
	d := openSpec(t, writeTemp(t, "", "x.tar", tarBytes(t, list)))
	if got := outline(pictures(t, d)); got != strings.TrimSpace(want.String()) {
		t.Errorf("%.200s", got)
	}
}

// TestWebDatasetShards reads several archives, in folders that are splits.
func TestWebDatasetShards(t *testing.T) {
	dir := t.TempDir()
	writeTemp(t, dir, "train/000.tar", tarBytes(t, files("0.cls=1", "0.jpg")))
	writeTemp(t, dir, "train/001.tar", tarBytes(t, files("1.cls=3", "1.jpg")))
	writeTemp(t, dir, "again/0.tar", tarBytes(t, files("0.jpg", "0.cls=1")))
	writeTemp(t, dir, "again/1.tar", tarBytes(t, files("0.jpg", "0.cls=2")))
	writeTemp(t, dir, "packed/0.tar", tarBytes(t, files("0.jpg", "0.jpg", "0.cls=1"))) // twice in one archive: which is meant nobody knows
	writeTemp(t, dir, "packed/1.tar", tarBytes(t, files("1.jpg", "1.cls=2")))
	writeTemp(t, dir, "val/000.tar", tarBytes(t, files("2.cls=5", "2.jpg")))
	for spec, want := range map[string]string{
		"#train":                   "train/0.jpg=1 train/1.jpg=3",
		"#val":                     "val/2.jpg=5",
		"/again":                   "0/0.jpg=1 1/0.jpg=2", // each is a sample by itself
		"/again/{1,0}.tar":         "0/0.jpg=1 1/0.jpg=2",
		"/again/1.tar":             "0.jpg=2",
		"/packed":                  "0.jpg=1 0.jpg=1 1.jpg=2",
		"/train":                   "0.jpg=1 1.jpg=3",
		"/train/{000..001}.tar":    "0.jpg=1 1.jpg=3",
		"/*/000.tar#val":           "val/2.jpg=5",
		"/{train,val}/*.tar#val":   "val/2.jpg=5",
		"/{val,train}/000.tar#val": "val/2.jpg=5",
	} {
		d := openSpec(t, dir+spec)
		if got := sortedOutline(t, d); got != want {
			t.Errorf("%s: %s, want %s", spec, got, want)
		}
	}
}

// TestArchivesOfTheSameNames: archives that count from 0 each lose no image, whatever the order in which they are named.
func TestArchivesOfTheSameNames(t *testing.T) {
	dir := t.TempDir()
	var names []string
	for i := range 3 {
		name := "part-" + string(rune('a'+i)) + ".tar"
		writeTemp(t, dir, name, tarBytes(t, []picture{{key: "dog/0.jpg", bytes: tinyImage(2 * i)}, {key: "cat/0.jpg", bytes: tinyImage(2*i + 1)}}))
		names = append(names, strings.TrimSuffix(name, ".tar"))
	}
	var want []picture
	for i, name := range names {
		want = append(want, picture{0, name + "/cat/0.jpg", tinyImage(2*i + 1)}, picture{1, name + "/dog/0.jpg", tinyImage(2 * i)})
	}
	byKey := func(a, b picture) int { return strings.Compare(a.key, b.key) }
	for _, spec := range []string{dir, dir + "/part-*.tar", dir + "/part-{c,a,b}.tar"} {
		src := openSpec(t, spec)
		out := filepath.Join(t.TempDir(), "shards")
		sum, err := Ingest(t.Context(), src, out, IngestOptions{Check: accept})
		if err != nil || sum.Bad > 0 {
			t.Fatalf("%s: %+v, %v", spec, sum, err)
		}
		for _, d := range []Dataset{src, openSpec(t, out)} {
			got := pictures(t, d)
			slices.SortFunc(got, byKey)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", spec, got, want)
			}
		}
	}
}

func TestArchiveKeys(t *testing.T) {
	for _, c := range []struct{ archives, want string }{
		{"0.tar 1.tar", "0/d/7.jpg 1/d/7.jpg"},
		{"train/0.tar.gz val/0.tar.gz", "train/0/d/7.jpg val/0/d/7.jpg"},
		{"v1.2.tgz v1.3.tgz", "v1.2/d/7.jpg v1.3/d/7.jpg"},
		{"0.tar 0.tar.gz", "0.tar/d/7.jpg 0.tar.gz/d/7.jpg"},
	} {
		var got []string
		names := strings.Fields(c.archives)
		for i, a := range archiveKeys(names) {
			got = append(got, a.key(path.Join(path.Dir(names[i]), "d/7.jpg")))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s, want %s", c.archives, got, c.want)
		}
	}
}
