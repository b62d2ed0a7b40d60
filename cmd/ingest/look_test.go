package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
)

// badOnes are images that a training has set aside: one of them is good, to this version.
func badOnes(t *testing.T) []datasets.BadImage {
	whole := jpegBytes(t)
	return []datasets.BadImage{
		{ID: 3, Key: "cat/cut.jpg", Label: 0, Stage: datasets.StageDecode, Reason: "the image is truncated", Bytes: whole[:len(whole)/2]},
		{ID: 5, Key: "dog/gone.jpg", Label: 1, Stage: datasets.StageRead, Reason: "no such object"},
		{ID: 6, Key: "dog/page.jpg", Label: 1, Stage: datasets.StageDecode, Reason: "not an image\x1b[31m\nat all", Bytes: []byte("<html><body>404")},
		{ID: 9, Key: "../../good one.jpg", Label: -1, Stage: "Flip", Reason: "a bug of before", Bytes: whole},
	}
}

// aRun is a folder with these bad images.
func aRun(t *testing.T, list []datasets.BadImage) string {
	t.Helper()
	dir := t.TempDir()
	q, err := datasets.OpenQuarantine(filepath.Join(dir, datasets.QuarantineName))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range list {
		if _, err := q.Add(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// saysAll runs the command and wants an exit code and all of these in what it prints.
func saysAll(t *testing.T, code int, wanted []string, args ...string) (said string) {
	t.Helper()
	got, said := command(t, args...)
	if got != code {
		t.Errorf("%q: exit code %d, want %d: %s", args, got, code, said)
	}
	for _, want := range wanted {
		if !strings.Contains(said, want) {
			t.Errorf("%q does not say %q: %s", args, want, said)
		}
	}
	return said
}

func TestLookLists(t *testing.T) {
	dir := aRun(t, badOnes(t))
	said := saysAll(t, cli.ExitOK, []string{"4 bad images", "2 at decode, 1 at Flip, 1 at read"}, "look", dir)
	want := []string{"stage", "cat/cut.jpg", "dog/gone.jpg", "dog/page.jpg", "../../good one.jpg"}
	lines := strings.Split(said, "\n")
	column := strings.Index(lines[0], "key")
	for i, key := range want[1:] {
		if strings.Index(lines[i+1], key) != column {
			t.Errorf("line %q does not have %q in column %d", lines[i+1], key, column)
		}
	}
	if strings.ContainsRune(said, '\x1b') || len(lines) != 7 {
		t.Errorf("texts from outside reach the terminal as they are: %q", said)
	}
	for _, c := range []struct {
		args      string
		says, not []string
	}{
		{"-stage Decode", []string{"2 bad images", "of 4", "cut.jpg", "page.jpg"}, []string{"gone.jpg"}},
		{"-match gone|such", []string{"1 bad image,", "gone.jpg"}, []string{"cut.jpg"}},
		{"-match ^cat/", []string{"1 bad image,", "cut.jpg"}, []string{"page.jpg"}},
		{"-stage read -match truncated", []string{"0 bad images"}, []string{".jpg", "error"}},
		{"-n 1", []string{"4 bad images", "1 of them are listed; -n 0"}, []string{"gone.jpg"}},
		{"-n 0", []string{"good one.jpg"}, []string{"listed"}},
	} {
		said := saysAll(t, cli.ExitOK, c.says, append([]string{"look", filepath.Join(dir, datasets.QuarantineName)}, strings.Fields(c.args)...)...)
		for _, not := range c.not {
			if strings.Contains(said, not) {
				t.Errorf("%s says %q: %s", c.args, not, said)
			}
		}
	}
	saysAll(t, cli.ExitOK, []string{"has no bad images"}, "look", t.TempDir())
	saysAll(t, cli.ExitFailure, []string{"name a quarantine.arrow"}, "look", filepath.Join(photos(t, nil), "cat", "1.jpg"))
}

func TestLookShows(t *testing.T) {
	dir := aRun(t, badOnes(t))
	saysAll(t, cli.ExitOK, []string{"key     cat/cut.jpg", "id      3", "stage   decode", "error   the image is truncated", "format  JPEG",
		"ff d8 ff", "now     bad: the image is truncated: it ends"}, "look", dir, "-show", "cat/cut.jpg", "-retry")
	saysAll(t, cli.ExitOK, []string{"format  HTML page", "|<html><body>404|", "error   not an image\uFFFD[31m at all"}, "look", dir, "-show", "dog/page.jpg")
	saysAll(t, cli.ExitOK, []string{"bytes   none"}, "look", dir, "-show", "dog/gone.jpg")
	saysAll(t, cli.ExitOK, []string{"format  JPEG, its header says 20 x 10 pixels", "now     decodes: 20 x 10"},
		"look", dir, "-show", "../../good one.jpg", "-retry")
	saysAll(t, cli.ExitFailure, []string{`none of 4 bad images is called "cut.jpg"`}, "look", dir, "-show", "cut.jpg")
}

// files are the contents of all files below a folder, by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	list := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		within, _ := filepath.Rel(dir, name)
		list[within] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestLookExtracts writes images to files: as they came, inside the folder whatever their keys, and good ones apart.
func TestLookExtracts(t *testing.T) {
	list := badOnes(t)
	dir := aRun(t, list)
	out := filepath.Join(t.TempDir(), "a", "b")
	saysAll(t, cli.ExitOK, []string{"3 files written", "of 1 image there are no bytes"}, "look", dir, "-extract", out)
	cut, page, good := string(list[0].Bytes), string(list[2].Bytes), string(list[3].Bytes)
	want := map[string]string{"00000000-cut.jpg": cut, "00000002-page.jpg": page, "00000003-good_one.jpg": good}
	if got := files(t, out); !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	saysAll(t, cli.ExitFailure, []string{"00000000-cut.jpg already"}, "look", dir, "-extract", out)

	for _, workers := range []string{"1", "3"} {
		out = filepath.Join(t.TempDir(), "again")
		saysAll(t, cli.ExitOK, []string{"1 of 4 decode now", "decodes: 20 x 10", "no bytes", "3 files written"},
			"look", dir, "-extract", out, "-retry", "-workers", workers)
		want = map[string]string{"bad/00000000-cut.jpg": cut, "bad/00000002-page.jpg": page, "good/00000003-good_one.jpg": good}
		if got := files(t, out); !reflect.DeepEqual(got, want) {
			t.Errorf("tried again: %q, want %q", got, want)
		}
	}
	saysAll(t, cli.ExitOK, []string{"0 of 4 decode now"}, "look", dir, "-retry", "-max-pixels", "199")
	if got := files(t, dir); len(got) != 1 {
		t.Errorf("looking leaves %d files", len(got))
	}
}

// TestLookAtMany lists more than are lined up at once.
func TestLookAtMany(t *testing.T) {
	var list []datasets.BadImage
	for i := range 3*tableRows + 7 {
		list = append(list, datasets.BadImage{ID: uint64(i), Key: "k", Stage: datasets.StageRead, Bytes: []byte{1, 2}})
	}
	dir := aRun(t, list)
	said := saysAll(t, cli.ExitOK, []string{"1507 bad images"}, "look", dir, "-n", "0")
	if n := strings.Count(said, "read "); n != len(list) {
		t.Errorf("%d are listed", n)
	}
	said = saysAll(t, cli.ExitOK, []string{"0 of 1507 decode now"}, "look", dir, "-n", "0", "-retry", "-workers", "4")
	if n := strings.Count(said, "bad: "); n != len(list) {
		t.Errorf("%d are listed", n)
	}
}

func TestFormats(t *testing.T) {
	for text, want := range map[string]string{
		"": "empty", "\x00\x00\x00": "zeros", "hello": "text", "\x01\x02": "unknown", "<!DOCTYPE HTML>\n<html>": "HTML page",
		" <?xml version='1'?><svg>": "SVG", "%PDF-1.4": "PDF", "BM....": "BMP", "\x00\x00\x00\x1cftypavif....": "AVIF",
		"\x00\x00\x00\x1cftypisom....": "ISO media", "version https://git-lfs.github.com/spec/v1": "Git LFS pointer",
		"PK\x03\x04": "zip", strings.Repeat("\u00e9", 400): "text", "caf\xe9 au lait, et puis": "unknown",
	} {
		if got, w, h := format([]byte(text)); got != want || w != 0 || h != 0 {
			t.Errorf("%q is %s of %d x %d, want %s", text, got, w, h, want)
		}
	}
	if got, w, h := format(jpegBytes(t)); got != "JPEG" || w != 20 || h != 10 {
		t.Errorf("a JPEG is %s of %d x %d", got, w, h)
	}
}

// FuzzFormat: whatever a file holds, it has a name.
func FuzzFormat(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x1cftyp"))
	f.Add(bytes.Repeat([]byte{0xC3, 0xA9}, 300))
	f.Fuzz(func(t *testing.T, b []byte) {
		if name, w, h := format(b); name == "" || w < 0 || h < 0 {
			t.Errorf("%q of %d x %d", name, w, h)
		}
	})
}
