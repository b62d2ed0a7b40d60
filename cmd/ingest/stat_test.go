package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goclr/goclr/cmd/internal/cli"
)

// collection is a folder with copies, images of several formats and sizes, and such that are none.
func collection(t *testing.T) string {
	return photos(t, map[string][]byte{
		"cat/big.jpg":   encodeJPEG(t, drawScene(300, 200, 255)),
		"cat/big.png":   encodePNG(t, drawScene(300, 200, 255)),
		"cat/side.jpg":  lyingOnItsSide(t, 20, 100),
		"owl/empty.jpg": {},
		"owl/page.jpg":  []byte("<html>"),
		"owl/again.jpg": []byte("<html>"),
	})
}

// statistic runs stat -json in this process' stead.
func statistic(t *testing.T, args ...string) (s statistics) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stdout
	os.Stdout = out
	err = run(t.Context(), append([]string{"stat", "-json"}, args...))
	os.Stdout = before
	if err != nil {
		t.Fatal(err)
	}
	out.Close()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return s
}

func TestStat(t *testing.T) {
	src := collection(t)
	sizesOf := func(more ...sizes) []sizes {
		return append(more, sizes{32, 16, 8}, sizes{32, 128, 1}, sizes{512, 256, 2})
	}
	want := statistics{
		Dataset: src, Images: 14, Largest: int64(len(encodeJPEG(t, drawScene(300, 200, 255)))),
		Duplicates: duplicates{Copies: 8, Originals: 2},
		Classes:    []count{{"cat", 7}, {"dog", 4}, {"owl", 3}},
		Formats:    []count{{"JPEG", 10}, {"HTML page", 2}, {"PNG", 1}, {"empty", 1}},
		Sizes:      sizesOf(sizes{0, 0, 3}),
	}
	for _, content := range files(t, src) {
		want.Bytes += int64(len(content))
	}
	for _, workers := range []string{"1", "4"} {
		if got := statistic(t, src, "-workers", workers); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}

	shards := filepath.Join(t.TempDir(), "shards")
	if err := run(t.Context(), []string{"-in", src, "-out", shards, "-max-bad", "0.5"}); err != nil {
		t.Fatal(err)
	}
	small := int64(len(jpegBytes(t)))
	want = statistics{
		Dataset: shards, Images: 11, Bad: 3, Bytes: want.Bytes - 12, Smallest: small, Largest: want.Largest,
		Duplicates: duplicates{Copies: 7, Originals: 1},
		Classes:    []count{{"cat", 7}, {"dog", 4}, {"owl", 0}},
		Formats:    []count{{"JPEG", 10}, {"PNG", 1}},
		Sizes:      sizesOf(),
	}
	if got := statistic(t, shards); !reflect.DeepEqual(got, want) {
		t.Errorf("of shards: %+v, want %+v", got, want)
	}
	said := saysAll(t, cli.ExitOK, []string{"11 images of 3 classes", "     7  cat\n     4  dog\n     0  owl\n", "    10  JPEG\n",
		"height  to 32  to 512\n to 16      8\nto 128      1\nto 256              2\n", "duplicates  7 (exact copies of 1 image)\n",
		"unreadable  none\n", "bad         3 (in its quarantine; to see why: ingest look " + shards}, "stat", shards)
	for _, line := range strings.Split(said, "\n") {
		if strings.HasSuffix(line, " ") {
			t.Errorf("line %q ends in spaces", line)
		}
	}
}

// TestStatOfMany: of many classes the largest are listed; and the procedural set and flat folders have statistics too.
func TestStatOfMany(t *testing.T) {
	more := map[string][]byte{}
	for _, c := range "abcdefghijklmnopqrstu" {
		more["x"+string(c)+"/1.jpg"] = jpegBytes(t)
	}
	saysAll(t, cli.ExitOK, []string{"29 images of 23 classes", "     4  dog\n", "     1  xr\n     3  (3 more)\n"}, "stat", photos(t, more))
	saysAll(t, cli.ExitOK, []string{"20 images of 10 classes", "duplicates  none", "bad         none"}, "stat", "synthetic:n=20")
	archive := filepath.Join(t.TempDir(), "photos.tar")
	if out, err := exec.Command("tar", "-C", photos(t, nil), "-cf", archive, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	saysAll(t, cli.ExitOK, []string{"8 images of 2 classes", "bad         none"}, "stat", archive)
	flat := t.TempDir()
	if err := os.WriteFile(filepath.Join(flat, "a.jpg"), jpegBytes(t), 0o644); err != nil {
		t.Fatal(err)
	}
	saysAll(t, cli.ExitOK, []string{"1 image of no class", "(no label)"}, "stat", flat)
}

// TestStatOfDamaged tells what cannot be read, and of the rest what there is.
func TestStatOfDamaged(t *testing.T) {
	shards := filepath.Join(t.TempDir(), "shards")
	if err := run(t.Context(), []string{"-in", photos(t, map[string][]byte{"owl/big.png": encodePNG(t, drawScene(300, 200, 255))}), "-out", shards}); err != nil {
		t.Fatal(err)
	}
	flip(t, filepath.Join(shards, "shard-00000.arrow"), encodePNG(t, drawScene(300, 200, 255)))
	saysAll(t, cli.ExitFailure, []string{"     4  dog\n", "unreadable  1 (named below)", "of 9 images 1 is bad:", "owl/big.png: shard-00000.arrow row", "crc32c"}, "stat", shards)
}
