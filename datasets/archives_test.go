package datasets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

func zstdBytes(t testing.TB, b []byte, o ...zstd.EOption) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, o...)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(b, nil)
}

// sortedOutline is an outline in the order of keys.
func sortedOutline(t *testing.T, d Dataset) string {
	t.Helper()
	list := pictures(t, d)
	slices.SortFunc(list, func(a, b picture) int { return strings.Compare(a.key, b.key) })
	return outline(list)
}

// TestArchiveByContent gives archives names that do not tell what they are.
func TestArchiveByContent(t *testing.T) {
	archive := tarBytes(t, members("a/1.jpg", "b/2.jpg"))
	skippable := append([]byte{0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0}, "abc"...)
	for name, content := range map[string][]byte{
		"x":          archive,
		"x.bin":      gzipBytes(t, archive),
		"x.zip":      zstdBytes(t, archive),
		"x.tar":      gzipBytes(t, archive),
		"x.tar.gz":   zstdBytes(t, archive),
		"x.tgz":      archive,
		"x.tar.zst":  zstdBytes(t, archive),
		"x.tzst":     zstdBytes(t, archive),
		"skippable":  append(skippable, zstdBytes(t, archive)...),
		"frames.zst": slices.Concat(zstdBytes(t, archive[:700]), zstdBytes(t, archive[700:])),
	} {
		if got := outline(pictures(t, openSpec(t, writeTemp(t, "", name, content)))); got != "a/1.jpg=0 b/2.jpg=1" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for name, content := range map[string][]byte{
		"twice.tar.gz": gzipBytes(t, zstdBytes(t, archive)),
		"text.gz":      gzipBytes(t, []byte("\x00\x01no archive")),
	} {
		wantError(t, writeTemp(t, "", name, content), name, "unknown kind of dataset")
	}
	if got := outline(pictures(t, openSpec(t, writeTemp(t, "", "old.x", oldTar(tarBytes(t, files("a/1.jpg=x", "b/2.jpg=y"))))))); got != "a/1.jpg=0 b/2.jpg=1" {
		t.Errorf("an archive without a magic word: %s", got)
	}
}

// oldTar makes the headers of an archive of members of one block such as they were before POSIX: without "ustar".
func oldTar(archive []byte) []byte {
	b := bytes.Clone(archive)
	for at := 0; b[at] != 0; at += 1024 {
		header := b[at:][:512]
		clear(header[257:265])
		copy(header[148:156], "        ")
		sum := 0
		for _, c := range header {
			sum += int(c)
		}
		copy(header[148:156], fmt.Sprintf("%06o\x00 ", sum))
	}
	return b
}

func TestDamagedZstd(t *testing.T) {
	whole := zstdBytes(t, tarBytes(t, members("a/1.jpg", "a/2.jpg")))
	for n := len(whole) - 1; n > 0; n -= 7 {
		wantError(t, writeTemp(t, "", "x.tar.zst", whole[:n]), "x.tar.zst", "fetch it again")
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-2] ^= 1 // of the checksum
	wantError(t, writeTemp(t, "", "x.tar.zst", flipped), "damaged", "fetch it again")
	wantError(t, writeTemp(t, "", "x.tar.zst", []byte("no archive")), "no zstd archive")
	wantError(t, writeTemp(t, "", "x.tar.zst", nil), "empty")
	// A frame that asks for 2 GiB: magic, no content size, the window's exponent 21 over 1 KiB.
	wantError(t, writeTemp(t, "", "x.tar.zst", []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1, 0, 0}), "128 MiB", "--long=27")
}

func TestSeveralArchives(t *testing.T) {
	dir := t.TempDir()
	first, second := tarBytes(t, members("cat/1.jpg", "dog/2.jpg")), tarBytes(t, members("cat/3.jpg", "eel/4.jpg", "notes.txt"))
	writeTemp(t, dir, "flat/p-08.tar", first)
	writeTemp(t, dir, "flat/p-09.tar.zst", zstdBytes(t, second))
	writeTemp(t, dir, "flat/p-10.tgz", gzipBytes(t, tarBytes(t, members("eel/5.jpg"))))
	writeTemp(t, dir, "flat/README.md", nil)
	writeTemp(t, dir, "flat/.hidden.tar", []byte("no archive"))
	writeTemp(t, dir, "splits/train/p.tar", first)
	writeTemp(t, dir, "splits/val/p.tar", second)
	writeTemp(t, dir, "mixed/p.tar", first)
	writeTemp(t, dir, "mixed/ant/1.jpg", []byte(tinyImage(1)))
	writeTemp(t, dir, "bad/p-1.tar", first)
	writeTemp(t, dir, "bad/p-2.tar", second[:700])
	writeTemp(t, dir, "tables/p-1.tar", first)
	writeTemp(t, dir, "tables/p.csv", []byte("path\nx.jpg\n"))
	writeTemp(t, dir, "odd/[1].tar", first)
	const all = "cat/1.jpg=0 cat/3.jpg=0 dog/2.jpg=1 eel/4.jpg=2 eel/5.jpg=2"
	for _, c := range []struct{ spec, want string }{
		{"flat", all},
		{"flat/*", ""},
		{"flat/p-*", all},
		{"flat/p-{08..10}*", all},
		{"flat/p-??.*", all},
		{"f*t/p-*", "flat/" + strings.ReplaceAll(all, " ", " flat/")},
		{"flat/{p-08.tar,p-09.tar.zst}", "cat/1.jpg=0 cat/3.jpg=0 dog/2.jpg=1 eel/4.jpg=2"},
		{"flat/p-{08..8}.tar", "cat/1.jpg=0 dog/2.jpg=1"},
		{"flat/{p-08,p-*}.tar", "cat/1.jpg=0 dog/2.jpg=1"},
		{"splits#val", "val/cat/3.jpg=0 val/eel/4.jpg=2"},
		{"splits/{train,val}/*.tar#train", "train/cat/1.jpg=0 train/dog/2.jpg=1"},
		{"splits/*/p.tar#train", "train/cat/1.jpg=0 train/dog/2.jpg=1"},
		{"mixed", "ant/1.jpg=0"},
		{"odd/[1].tar", "cat/1.jpg=0 dog/2.jpg=1"}, // it is there
	} {
		if c.want == "" {
			wantError(t, filepath.Join(dir, c.spec), "README.md", "no tar archive")
			continue
		}
		if got := sortedOutline(t, openSpec(t, dir+"/"+c.spec)); got != c.want {
			t.Errorf("%s: %s, want %s", c.spec, got, c.want)
		}
	}
	for _, c := range []struct {
		spec  string
		parts []string
	}{
		{"flat/p-{08..11}.tar", []string{"p-09.tar", "no such file"}},
		{"flat/q*.tar", []string{`no file is called like "q*.tar"`}},
		{"flat/p-{08.tar", []string{"is no pattern", "{000..123}"}},
		{"flat/p-{08}.tar", []string{"{08} is one word"}},
		{"flat/p-{a..b}.tar", []string{"is no pattern"}},
		{"flat/p-{0..9999999}.tar", []string{"more than 100000"}},
		{"flat/p-{0..9999}{0..9999}.tar", []string{"stands for 100000000 files"}},
		{"flat/p-[.tar", []string{"is no pattern", "[a-z]"}},
		{"splits", []string{"several splits (train, val)"}},
		{"bad", []string{"bad: p-2.tar: ", "truncated"}},
		{"bad/*", []string{"p-2.tar: ", "truncated"}},
		{"tables/*", []string{"p.csv: it is no tar archive"}},
	} {
		wantError(t, dir+"/"+c.spec, c.parts...)
	}
}

func TestExpandBraces(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"a.tar", "a.tar"},
		{"a-{8..11}.tar", "a-8.tar a-9.tar a-10.tar a-11.tar"},
		{"a-{008..9}.tar", "a-008.tar a-009.tar"},
		{"{2..0}", "2 1 0"},
		{"{a,b}-{0..1}.{tar,}", "a-0.tar a-0. a-1.tar a-1. b-0.tar b-0. b-1.tar b-1."},
	} {
		got, err := expandBraces(c.name)
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, %v; want %s", c.name, got, err, c.want)
		}
	}
}

// countingBucket stands for a store far away: its requests are counted.
type countingBucket struct {
	localBucket
	requests *atomic.Int64
}

type countedObject struct {
	Object
	requests *atomic.Int64
}

func (b countingBucket) Open(ctx context.Context, name string) (Object, error) {
	if info, err := os.Stat(filepath.Join(b.dir, name)); err == nil && info.IsDir() {
		return nil, fs.ErrNotExist // stores have no folders
	}
	o, err := b.localBucket.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	b.requests.Add(1)
	return &countedObject{o, b.requests}, nil
}

func (o *countedObject) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	o.requests.Add(1)
	return o.Object.ReadAt(ctx, p, offset)
}

// countRequests has folders be stores too, called count://FOLDER, and returns the number of requests to any.
func countRequests(t *testing.T) *atomic.Int64 {
	t.Helper()
	requests := new(atomic.Int64)
	RegisterScheme("count", func(_ context.Context, url string) (Bucket, error) {
		dir, _, _ := strings.Cut(strings.TrimPrefix(url, "count://"), "?")
		return countingBucket{localBucket{dir}, requests}, nil
	})
	t.Cleanup(func() {
		schemes.Lock()
		defer schemes.Unlock()
		delete(schemes.open, "count")
	})
	return requests
}

// TestRemoteArchives lists archives in a store: headers must not take a request each.
func TestRemoteArchives(t *testing.T) {
	requests := countRequests(t)
	dir := t.TempDir()
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("%d/%d.jpg", i%3, i))
	}
	writeTemp(t, dir, "a-0.tar", tarBytes(t, members(names...)))
	writeTemp(t, dir, "a-1.tar.gz", gzipBytes(t, tarBytes(t, members("1/x.jpg"))))
	for _, spec := range []string{"count://" + dir, "count://" + dir + "/*?region=x", "count://" + dir + "/a-{0..1}.tar{,.gz}", "count://" + dir + "/a-0.tar"} {
		if strings.Contains(spec, "{0") {
			wantError(t, spec, "a-0.tar.gz", "no such file")
			continue
		}
		requests.Store(0)
		d := openSpec(t, spec)
		if requests.Load() > 40 || d.Len() < 1000 {
			t.Errorf("%s: %d requests to list %d images", spec, requests.Load(), d.Len())
		}
		for i, p := range pictures(t, d)[:1000] {
			if p.key != names[i] || p.bytes != tinyImage(i) || int(p.label) != i%3 {
				t.Fatalf("%s: image %d is %s with label %d", spec, i, p.key, p.label)
			}
		}
	}
}

// TestReadAhead compares what is read through a window with the object, forwards, backwards and past the end.
func TestReadAhead(t *testing.T) {
	content := make([]byte, 10<<20)
	for i := range content {
		content[i] = byte(mix(3, i>>8, i))
	}
	plain, err := openLocal(writeTemp(t, "", "x", content))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	var requests atomic.Int64
	ahead := readAhead(&countedObject{plain, &requests})
	for _, c := range []struct{ at, n int }{{0, 512}, {512, 512}, {1 << 20, 100}, {100, 1000}, {9 << 20, 5 << 20}, {len(content) - 10, 20}, {len(content), 1},
		{5 << 20, 4 << 20}, {5<<20 + 1, 1000}, {0, len(content) + 1}, {8 << 20, 0}} {
		got, want := make([]byte, c.n), make([]byte, c.n)
		n, err := ahead.ReadAt(t.Context(), got, int64(c.at))
		m, wantErr := plain.ReadAt(t.Context(), want, int64(c.at))
		if n != m || !errors.Is(err, wantErr) || !bytes.Equal(got, want) {
			t.Errorf("%d bytes at %d: %d, %v; want %d, %v", c.n, c.at, n, err, m, wantErr)
		}
	}
	requests.Store(0)
	ahead = readAhead(&countedObject{plain, &requests})
	for at := 0; at < len(content); at += 512 {
		if _, err := ahead.ReadAt(t.Context(), make([]byte, 512), int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	if requests.Load() > 12 {
		t.Errorf("%d requests for 10 MiB, read in a row", requests.Load())
	}
	counted := &sizes{Object: plain}
	ahead = readAhead(counted)
	for at := 0; at < len(content); at += 1 << 20 {
		if _, err := ahead.ReadAt(t.Context(), make([]byte, 512), int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	if counted.bytes > 1<<20 {
		t.Errorf("%d bytes read for headers a MiB apart", counted.bytes)
	}
	if _, err := ahead.ReadAt(t.Context(), make([]byte, 1), -1); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("reading before the start: %v", err)
	}
}

// sizes counts the bytes that are asked for.
type sizes struct {
	Object
	bytes int
}

func (s *sizes) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	s.bytes += len(p)
	return s.Object.ReadAt(ctx, p, offset)
}

func TestTooManyArchives(t *testing.T) {
	if err := tooManyOpen(&os.PathError{Op: "open", Path: "x", Err: unix.EMFILE}); !errors.Is(err, unix.EMFILE) || !strings.Contains(err.Error(), "ulimit -n") {
		t.Error(err)
	}
}

// TestSniffing finds images by content where their names do not tell, and opens no file whose name tells that it is none.
func TestSniffing(t *testing.T) {
	dir := t.TempDir()
	var list []picture
	want := 0
	for i, head := range []string{"\xff\xd8\xff\xe0", "\x89PNG\r\n\x1a\n", "GIF87a", "GIF89a", "RIFF1234WEBP", "II*\x00", "MM\x00*"} {
		for _, name := range []string{"x", "x.dat", "x.0001", "x.jpg_large"} {
			list = append(list, picture{key: fmt.Sprintf("a/%d%s", i, name), bytes: head + strings.Repeat("x", i)})
			want++
		}
		list = append(list, picture{key: fmt.Sprintf("a/%dx.txt", i), bytes: head})
	}
	for i, head := range []string{"", "\xff", "RIFF1234WAVE", "\x89PNG", "text"} {
		list = append(list, picture{key: fmt.Sprintf("a/other%d", i), bytes: head})
	}
	for _, p := range list {
		writeTemp(t, dir, p.key, []byte(p.bytes))
	}
	folder, archive := openSpec(t, dir), openSpec(t, writeTemp(t, "", "x.tar", tarBytes(t, list)))
	if folder.Len() != want || sortedOutline(t, folder) != sortedOutline(t, archive) {
		t.Errorf("%d images in the folder, %d in the archive, want %d", folder.Len(), archive.Len(), want)
	}
}

// TestSnifferLearns opens few files of a store where the same extension always said the same.
func TestSnifferLearns(t *testing.T) {
	opened := map[string]int{}
	s := sniffer{learns: true}
	count := func(name, content string) bool {
		image, err := s.isImage(name, func() ([]byte, error) { opened[extension(name)]++; return []byte(content), nil })
		if err != nil {
			t.Fatal(err)
		}
		return image
	}
	for i := range 3000 {
		image, other := tinyImage(0), "other"
		mixed := other
		if i%7 == 0 {
			mixed = image
		}
		if !count(fmt.Sprint(i, ".dat"), image) || count(fmt.Sprint(i, ".lab"), other) || count(fmt.Sprint(i, ".mixed"), mixed) != (i%7 == 0) || count(fmt.Sprint(i), other) {
			t.Fatalf("file %d is taken for what it is not", i)
		}
		count(fmt.Sprint("x.", i), image)
	}
	if opened[".dat"] != learnImages || opened[".lab"] != learnOthers || opened[".mixed"] != 3000 || opened[""] != 3000 || len(s.seen) > mostTallies {
		t.Errorf("opened %d, %d, %d, %d; %d extensions", opened[".dat"], opened[".lab"], opened[".mixed"], opened[""], len(s.seen))
	}
}
