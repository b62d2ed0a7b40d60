package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goclr/goclr/cmd/internal/cli"
)

// apart runs the command and returns its two outputs.
func apart(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), asCommand+"=1")
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Errorf("%q: %v: %s", args, err, errs.String())
	}
	return out.String(), errs.String()
}

func TestCat(t *testing.T) {
	big := encodePNG(t, drawScene(300, 200, 255))
	src := photos(t, map[string][]byte{"dog/big.png": big, "owl/1.jpg": []byte("hoot")})
	shards := filepath.Join(t.TempDir(), "shards")
	if err := run(t.Context(), []string{"-in", src, "-out", shards, "-max-bad", "0.5"}); err != nil {
		t.Fatal(err)
	}
	for set, index := range map[string]string{src: "#8", shards: "#5"} { // of shards it is that of a hash of the key
		for _, word := range []string{"dog/big.png", index} {
			out, said := apart(t, "cat", set, word)
			if out != string(big) || !strings.Contains(said, index+" dog/big.png, label 1 (dog)") {
				t.Errorf("%s %s: %d bytes, %s", set, word, len(out), said)
			}
			file := filepath.Join(t.TempDir(), "x.png")
			if err := run(t.Context(), []string{"cat", set, word, "-o", file}); err != nil {
				t.Error(err)
			}
			if b, err := os.ReadFile(file); err != nil || !bytes.Equal(b, big) {
				t.Errorf("%s %s: another file, or %v", set, word, err)
			}
		}
	}
	cache := t.TempDir()
	if out, said := apart(t, "cat", "file://"+shards, "dog/big.png", "-cache-dir", cache, "-cache-limit", "0.1"); out != string(big) {
		t.Errorf("by URL: %d bytes, %s", len(out), said)
	}
	if kept, err := filepath.Glob(filepath.Join(cache, "*.object")); err != nil || len(kept) != 1 {
		t.Errorf("the cache holds %q, %v", kept, err)
	}
	if out, _ := apart(t, "cat", src, "owl/1.jpg"); out != "hoot" {
		t.Errorf("what is no image comes as %q", out)
	}
	for _, c := range []struct{ word, says string }{
		{"1.jpg", "did you mean cat/1.jpg or dog/1.jpg or owl/1.jpg?"},
		{"nothing", `no image is called "nothing"`},
		{"#10", "it has #0 to #9"},
		{"#-1", "it has #0 to #9"},
		{"#x", `no image is called "#x"`},
	} {
		err := run(t.Context(), []string{"cat", src, c.word, "-o", filepath.Join(t.TempDir(), "x")})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want %q", c.word, err, c.says)
		}
	}
	saysAll(t, cli.ExitFailure, []string{"no such file or directory"}, "cat", src, "#0", "-o", filepath.Join(t.TempDir(), "no", "such", "folder"))
}
