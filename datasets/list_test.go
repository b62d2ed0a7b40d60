package datasets

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// listFolder is a folder of three images; lists go beside them.
func listFolder(t *testing.T) string {
	dir := t.TempDir()
	for _, m := range members("cat/1.jpg", "cat/2.jpg", "dog 1,\t\"x\".jpg") {
		writeTemp(t, dir, m.key, []byte(m.bytes))
	}
	return dir
}

func TestLists(t *testing.T) {
	dir := listFolder(t)
	odd := `dog 1,` + "\t" + `"x".jpg`
	all := "cat/1.jpg=0 cat/2.jpg=0 " + odd + "=1"
	for _, c := range []struct{ name, text, spec, classes, outline string }{
		{"header", "path,label\ncat/1.jpg,cat\ncat/2.jpg,cat\n\"dog 1,\t\"\"x\"\".jpg\",dog\n", "", "cat dog", all},
		{"byte order mark, CRLF, empty lines", "\ufeffpath,label\r\ncat/1.jpg,cat\r\n\r\ncat/2.jpg,cat\r\n\"dog 1,\t\"\"x\"\".jpg\",dog", "", "cat dog", all},
		{"other columns", "id,Label , caption,FILE\n1,cat,\"a\nb\",cat/1.jpg\n2, cat ,,./cat/2.jpg\n", "", "cat", "cat/1.jpg=0 cat/2.jpg=0"},
		{"no header", "cat/1.jpg,b\ncat/x/../2.jpg,a\n", "", "a b", "cat/1.jpg=1 cat/2.jpg=0"},
		{"paths alone", "cat/1.jpg\ncat/2.jpg\n", "", "", "cat/1.jpg=-1 cat/2.jpg=-1"},
		{"some without labels", "cat/1.jpg,\ncat/2.jpg,b\n", "", "b", "cat/1.jpg=-1 cat/2.jpg=0"},
		{"numbers", "url,target\ncat/1.jpg,3\ncat/2.jpg,1\n", "", "0 1 2 3", "cat/1.jpg=3 cat/2.jpg=1"},
		{"numbers and none", "url,target\ncat/1.jpg,-1\ncat/2.jpg,1\n", "", "0 1", "cat/1.jpg=-1 cat/2.jpg=1"},
		{"tabs", "path\tclass\ncat/1.jpg\tcat, small\ncat/2.jpg\tcat, large\n", "", "cat, large cat, small", "cat/1.jpg=1 cat/2.jpg=0"},
		{"splits", "filename,category,set\ncat/1.jpg,a,train\ncat/2.jpg,b,test\n", "#test", "a b", "cat/2.jpg=1"},
		{"JSON", `{"path": "cat/1.jpg", "label": "cat"}` + "\n\n" + `{"label": "cat", "path": "cat/2.jpg", "box": [1, {"x": 2}]}` + "\r\n" + `{"path": "dog 1,\t\"x\".jpg", "label": "dog"}`,
			"", "cat dog", all},
		{"JSON, numbers and none", "\ufeff" + ` {"image": "cat/1.jpg", "target": 2}` + "\n" + `{"image": "cat/2.jpg", "target": null}`, "", "0 1 2", "cat/1.jpg=2 cat/2.jpg=-1"},
		{"a long line of JSON", `{"path": "cat/1.jpg", "caption": "` + strings.Repeat("x", 200_000) + `"}`, "", "", "cat/1.jpg=-1"},
		{"a long line", "path,caption\ncat/1.jpg," + strings.Repeat("x", 200_000) + "\n", "", "", "cat/1.jpg=-1"},
		{"JSON, splits", `{"file_name":"cat/1.jpg","split":"train"}` + "\n" + `{"file_name":"cat/2.jpg","split":"val"}`, "#train", "", "cat/1.jpg=-1"},
	} {
		d := openSpec(t, writeTemp(t, dir, "list", []byte(c.text))+c.spec)
		got := pictures(t, d)
		if outline(got) != c.outline || strings.Join(d.Classes(), " ") != c.classes {
			t.Errorf("%s: %q of classes %q, want %q of %s", c.name, outline(got), d.Classes(), c.outline, c.classes)
		}
		for _, p := range got {
			if want, err := os.ReadFile(filepath.Join(dir, p.key)); err != nil || string(want) != p.bytes {
				t.Errorf("%s: %s has other bytes, %v", c.name, p.key, err)
			}
		}
	}
}

func TestListErrors(t *testing.T) {
	dir := t.TempDir()
	for i, c := range []struct {
		text  string
		parts []string
	}{
		{"", []string{"list is empty"}},
		{"path,label\n", []string{"list is empty"}},
		{"name,label\na.jpg,b\n", []string{":1: ", "neither a header nor an image", "path, file"}},
		{"a.jpg,b,train\n", []string{":1: ", "neither a header nor an image"}},
		{"path,label\na.jpg,b\n\nb.jpg\n", []string{":4: 1 fields, not as many"}},
		{"path,label\na.jpg,b\n,c\n", []string{":3: the path is \"\""}},
		{"path,label\n/,b\n", []string{":2: the path is \"/\""}},
		{"path,label\na.jpg,b\na\"b.jpg,c\n", []string{":3: column 2", "write a quote within them twice"}},
		{"path,label\n\"a.jpg,b\n" + strings.Repeat("c.jpg,d\n", 200_000), []string{":2: ", "a quote is not closed"}},
		{"path,label\na.jpg,caf\xe9\n", []string{":2: ", "is not UTF-8"}},
		{"path,label\ngs://b/a.jpg,b\n", []string{":2: gs://b/", "no store is called"}},
		{"{\"path\": \"a.jpg\"}\n{\"path\": \n", []string{":2: ", `an object like {"path": "a/1.jpg"`}},
		{"{\"path\": \"a.jpg\"}\n[]\n", []string{":2: "}},
		{"{\"path\": \"a.jpg\"}\n{\"label\": \"b\"}\n", []string{`:2: the path is ""`}},
		{`{"path": "a.jpg", "label": [1]}`, []string{`:1: "label" is [1]`}},
		{`{"path": "a.jpg", "label": 1.5}`, []string{`:1: "label" is 1.5`}},
		{`{"path": "caf` + "\xe9" + `.jpg"}`, []string{":1: not UTF-8"}},
		{"{\"path\": \"a.jpg\"}\n{\"path\": \"" + strings.Repeat("x", mostLine), []string{":2: a line of more than"}},
		{"path,split\na.jpg,x\nb.jpg,y\n", []string{"several splits (x, y)"}},
	} {
		name := fmt.Sprintf("%d.csv", i)
		wantError(t, writeTemp(t, dir, name, []byte(c.text)), append(c.parts, name)...)
	}
}

// TestListKind tells lists from other texts and from binary files.
func TestListKind(t *testing.T) {
	long := "a/" + strings.Repeat("é", 300) + ".jpg"
	for text, want := range map[string]bool{
		"a.jpg": true, "a.jpg,b\n": true, "path\n": true, "\ufeffpath,label": true, "id,url\n": true, "a\timage\n": true, "\n\na.png\n": true,
		`{"path": "a.jpg"}`: true, `{ "x": 1}`: true, "path," + long: true, "\"a,b.jpg\",c": true,
		"": false, "\n": false, "A text about photos\n": false, "a,b\n": false, "a.jpg\x00": false, "path\x01": false, "{}": false, "{1}": false, "\xff\xd8\xff": false, "a.pdf,b": false,
		"# path\n": false,
	} {
		if got := isList([]byte(text)[:min(len(text), headBytes)]); got != want {
			t.Errorf("%.40q: %v", text, got)
		}
	}
	if got := isList([]byte("path,x" + long)[:headBytes]); !got {
		t.Error("a list that is cut within a character is none")
	}
}

// TestListPlaces finds images by absolute paths, by paths that lead out of the folder, and in stores, each of which is opened once.
func TestListPlaces(t *testing.T) {
	dir := listFolder(t)
	opened, closed := testStores(t)
	text := strings.Join([]string{
		"path,label", filepath.Join(dir, "cat", "1.jpg") + ",a", "../cat/2.jpg,a", "listtest://one" + dir + "/cat/1.jpg,b", "listtest://one" + dir + "/cat/2.jpg,b",
		"listtest://two" + dir + "/cat/2.jpg?region=x,b", "missing.jpg,c",
	}, "\n")
	d, err := Open(t.Context(), writeTemp(t, dir, "lists/list.csv", []byte(text)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := pipeline.NewSample(t.Context(), pipeline.Key{})
	for i, want := range []int{0, 1, 0, 1, 1} {
		if err := d.Read(t.Context(), i, s); err != nil || string(s.Bytes) != tinyImage(want) {
			t.Errorf("image %d, %s: %v, or other bytes", i, s.Key, err)
		}
	}
	if err := d.Read(t.Context(), 5, s); !errors.Is(err, os.ErrNotExist) || s.Key != "missing.jpg" || s.Label != 2 {
		t.Errorf("%s, label %d: %v", s.Key, s.Label, err)
	}
	if err := d.Close(); err != nil || opened.Load() != 2 || closed.Load() != 2 {
		t.Errorf("%v; %d stores were opened, %d closed", err, opened.Load(), closed.Load())
	}
}

// TestListInStore reads a list that lies in a store itself.
func TestListInStore(t *testing.T) {
	dir := listFolder(t)
	opened, closed := testStores(t)
	url := "listtest://one" + dir + "/"
	writeTemp(t, dir, "list.csv", []byte("cat/1.jpg,a\n"+url+"cat/2.jpg,b\n"))
	if got := outline(pictures(t, openSpec(t, url+"list.csv"))); got != "cat/1.jpg=0 "+url+"cat/2.jpg=1" {
		t.Errorf("%s", got)
	}
	writeTemp(t, dir, "out.csv", []byte("cat/1.jpg,a\nx/../../2.jpg,b\n"))
	before := opened.Load() - closed.Load()
	wantError(t, url+"out.csv", "out.csv:2:", "write the whole URL")
	if after := opened.Load() - closed.Load(); after != before {
		t.Errorf("%d stores stayed open after an error", after-before)
	}
}

// testStores has URLs of the scheme listtest lead to local folders, and counts.
func testStores(t *testing.T) (opened, closed *atomic.Int32) {
	opened, closed = &atomic.Int32{}, &atomic.Int32{}
	schemes.Lock()
	schemes.open["listtest"] = func(_ context.Context, url string) (Bucket, error) {
		opened.Add(1)
		url, _, _ = strings.Cut(strings.TrimPrefix(url, "listtest://"), "?")
		_, dir, _ := strings.Cut(url, "/")
		return testStore{localBucket{"/" + dir}, closed}, nil
	}
	schemes.Unlock()
	t.Cleanup(func() {
		schemes.Lock()
		delete(schemes.open, "listtest")
		schemes.Unlock()
	})
	return opened, closed
}

type testStore struct {
	folder localBucket
	closed *atomic.Int32
}

func (s testStore) List(ctx context.Context) iter.Seq2[ObjectInfo, error] { return s.folder.List(ctx) }
func (s testStore) Open(ctx context.Context, name string) (Object, error) {
	return s.folder.Open(ctx, name)
}
func (s testStore) Close() error { s.closed.Add(1); return nil }

// TestListStopped ends the reading of a list when its context does: here once it has opened a store.
func TestListStopped(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	opened, closed := testStores(t)
	schemes.Lock()
	open := schemes.open["listtest"]
	schemes.open["listtest"] = func(ctx context.Context, url string) (Bucket, error) { stop(); return open(ctx, url) }
	schemes.Unlock()
	file := writeTemp(t, dir, "list.csv", []byte("path\nlisttest://one/a.jpg\n"+strings.Repeat("a.jpg\n", 500_000)))
	if _, err := Open(ctx, file, Options{}); !errors.Is(err, context.Canceled) || opened.Load() != 1 || closed.Load() != 1 {
		t.Errorf("error %v; %d stores opened, %d closed", err, opened.Load(), closed.Load())
	}
}

// FuzzList reads anything as a list: each line is a row with a path, or an error ends it.
func FuzzList(f *testing.F) {
	for _, s := range []string{
		"path,label,split\na.jpg,b,c\n", "a.jpg\n", "a.jpg\tb\n\"c\td.jpg\"\te\n", "\ufeffurl\r\ngs://a/b?c\r\n", `{"path": "a.jpg", "label": 3, "split": null}` + "\n",
		"path\n\"a\n\nb\"\n", "\n \n{\"file\": \"\\u0000\"}", "path,\"label\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		isList(b[:min(len(b), headBytes)])
		last := 0
		for row, err := range readList(bufio.NewReaderSize(bytes.NewReader(b), 1<<20)) {
			if err == nil && row.path == "" || row.line < 1 || err == nil && row.line <= last {
				t.Fatalf("row %+v after line %d", row, last)
			}
			last = row.line
		}
	})
}
