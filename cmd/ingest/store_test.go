//go:build !nocloud

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/datasets/blob/s3test"
)

// TestInspectsStore looks at shards in a store as at those on the disk: each command says the same of both.
func TestInspectsStore(t *testing.T) {
	shards := filepath.Join(t.TempDir(), "shards")
	bad := map[string][]byte{"cat/page.jpg": []byte("<html>"), "cat/cut.jpg": jpegBytes(t)[:300]}
	if err := run(t.Context(), []string{"-in", photos(t, bad), "-out", shards, "-max-bad", "0.5"}); err != nil {
		t.Fatal(err)
	}
	objects := map[string][]byte{"photos/1.jpg": jpegBytes(t), "photos.tar": []byte("no quarantine")}
	for name, content := range files(t, shards) {
		objects["set/"+filepath.ToSlash(name)] = []byte(content)
	}
	objects["alone.quarantine.arrow"] = objects["set/"+datasets.QuarantineName]
	server := s3test.New(objects)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // of the shards that are fetched
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	at := func(name string) string { return "s3://bucket/" + name + "?endpoint=" + server.URL }
	set := at("set")

	for _, quarantine := range []string{set, at("alone.quarantine.arrow"), at("set/" + datasets.QuarantineName)} {
		saysAll(t, cli.ExitOK, []string{"cat/page.jpg", "cat/cut.jpg", quarantine + ": 2 bad images"}, "look", quarantine)
	}
	out := filepath.Join(t.TempDir(), "out")
	saysAll(t, cli.ExitOK, []string{"2 files written"}, "look", set, "-extract", out)
	for name, content := range files(t, out) {
		if want := bad["cat/"+strings.SplitN(name, "-", 2)[1]]; content != string(want) {
			t.Errorf("%s: %q", name, content)
		}
	}
	saysAll(t, cli.ExitOK, []string{"has no bad images"}, "look", at("photos"))
	for _, name := range []string{at("nothing"), at("photos.tar")} {
		saysAll(t, cli.ExitFailure, []string{name, "name the folder"}, "look", name)
	}

	saysAll(t, cli.ExitOK, []string{"good: 8 images", "every image decodes", "2 bad images", "ingest look " + set}, "verify", "-decode", set)
	saysAll(t, cli.ExitOK, []string{"8 images of 2 classes", "bad         2 (in its quarantine"}, "stat", set)
	if got, _ := apart(t, "cat", set, "dog/1.jpg"); got != string(jpegBytes(t)) {
		t.Errorf("cat writes %d bytes", len(got))
	}
	if left := files(t, temp); len(left) > 0 {
		t.Errorf("left in TMPDIR: %v", left)
	}
}
