package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"image"
	"image/jpeg"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
)

// asCommand makes the test binary the command itself, so that exit codes and signals can be seen.
const asCommand = "GOCLR_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// command runs the command in another process and returns its exit code and what it printed.
func command(t *testing.T, args ...string) (code int, output string) {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), asCommand+"=1")
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(out)
}

func jpegBytes(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, 20, 10)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// photos is a folder of eight good images and the given bad ones.
func photos(t *testing.T, bad map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string][]byte{}
	for _, name := range []string{"cat/1.jpg", "cat/2.jpg", "cat/3.jpg", "cat/4.jpg",
		"dog/1.jpg", "dog/2.jpg", "dog/3.jpg", "dog/4.jpg"} {
		files[name] = jpegBytes(t)
	}
	for name, b := range bad {
		files[name] = b
	}
	for name, b := range files {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestBadInput ingests every kind of bad image that there is, then verifies, damages and verifies again.
func TestBadInput(t *testing.T) {
	whole := jpegBytes(t)
	huge := bytes.Clone(whole)
	at := bytes.Index(huge, []byte{0xFF, 0xC0}) // the size is in the frame header
	copy(huge[at+5:], []byte{0x75, 0x30, 0x75, 0x30})
	src := photos(t, map[string][]byte{
		"cat/truncated.jpg": whole[:len(whole)/2],
		"cat/empty.jpg":     {},
		"dog/text.jpg":      []byte("this is no image"),
		"dog/huge.jpg":      huge,
	})
	out := filepath.Join(t.TempDir(), "shards")

	code, said := command(t, "-in", src, "-out", out)
	if code != cli.ExitFailure || !strings.Contains(said, "-max-bad") || !strings.Contains(said, out+".quarantine") {
		t.Errorf("exit code %d, %s", code, said)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("there are shards in spite of the failure")
	}

	code, said = command(t, "-in", src, "-out", out, "-max-bad", "0.4")
	if code != cli.ExitOK || !strings.Contains(said, "8 images of 2 classes") || !strings.Contains(said, "4 bad images") {
		t.Errorf("exit code %d, %s", code, said)
	}
	var names []string
	for bad, err := range datasets.ReadQuarantine(out) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, bad.Key)
		if bad.Key == "dog/huge.jpg" && !strings.Contains(bad.Reason, "30000") {
			t.Errorf("reason of the huge image: %s", bad.Reason)
		}
	}
	slices.Sort(names)
	if want := []string{"cat/empty.jpg", "cat/truncated.jpg", "dog/huge.jpg", "dog/text.jpg"}; !slices.Equal(names, want) {
		t.Errorf("bad images are %q, want %q", names, want)
	}

	if code, said = command(t, "verify", out); code != cli.ExitOK || !strings.Contains(said, "every checksum matches") {
		t.Errorf("exit code %d, %s", code, said)
	}
	shard := filepath.Join(out, "shard-00000.arrow")
	b, err := os.ReadFile(shard)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(shard, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if code, said = command(t, "verify", out); code != cli.ExitFailure || !strings.Contains(said, "shard-00000.arrow") {
		t.Errorf("exit code %d, %s", code, said)
	}
}

func TestMaxPixels(t *testing.T) {
	out := filepath.Join(t.TempDir(), "shards")
	if code, said := command(t, "-in", photos(t, nil), "-out", out, "-max-pixels", "199"); code != cli.ExitFailure ||
		!strings.Contains(said, "20 x 10") {
		t.Errorf("exit code %d, %s", code, said)
	}
	if code, said := command(t, "-in", photos(t, nil), "-out", out, "-max-pixels", "200"); code != cli.ExitOK {
		t.Errorf("exit code %d, %s", code, said)
	}
}

// TestCheck: an image that is damaged inside is bad, unless only headers are looked at, which the manifest tells.
func TestCheck(t *testing.T) {
	damaged := jpegBytes(t)
	codes := bytes.Index(damaged, []byte{0xff, 0xc4})
	copy(damaged[codes+5:], bytes.Repeat([]byte{0xff}, 16)) // how many there are of each length
	in := photos(t, map[string][]byte{"dog/damaged.jpg": damaged})
	full, header := filepath.Join(t.TempDir(), "full"), filepath.Join(t.TempDir(), "header")
	if code, said := command(t, "-in", in, "-out", full, "-max-bad", "0.2"); code != cli.ExitOK || !strings.Contains(said, "1 bad") {
		t.Errorf("exit code %d, %s", code, said)
	}
	if code, said := command(t, "-in", in, "-out", header, "-max-bad", "0", "-check", "header"); code != cli.ExitOK || !strings.Contains(said, "9 images") {
		t.Errorf("exit code %d, %s", code, said)
	}
	for dir, want := range map[string]bool{full: false, header: true} {
		m, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
		if err != nil || bytes.Contains(m, []byte(`"check": "-check header"`)) != want {
			t.Errorf("%v, manifest %s", err, m)
		}
	}
	if code, said := command(t, "verify", header); code != cli.ExitOK {
		t.Errorf("exit code %d, %s", code, said)
	}
	if code, said := command(t, "verify", "-decode", header); code != cli.ExitFailure || !strings.Contains(said, "dog/damaged.jpg") {
		t.Errorf("exit code %d, %s", code, said)
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args string
		says string
	}{
		{"", "-in is missing"},
		{"-in synthetic", "-out is missing"},
		{"-in synthetic -out x -max-bad 2", "-max-bad 2"},
		{"-in synthetic -out x -workers 0", "-workers 0"},
		{"-in synthetic -out x -max-pixels 0", "-max-pixels 0"},
		{"-in synthetic -out x -check no", "full or header"},
		{"merge -out x part s3://bucket/shards", "copy s3://bucket/shards here"},
		{"-in synthetic -out x -shard-mb 0", "-shard-mb 0"},
		{"-input synthetic", "did you mean -in?"},
		{"-in synthetic -maxbad 1", "did you mean -max-bad?"},
		{"verfy x", `did you mean "verify"?`},
		{"photos", `unexpected argument "photos"`},
		{"-force look x", `ingest look`},
		{"verify", "one folder"},
		{"verify a b", "one folder"},
		{"verify a -decod", "did you mean -decode?"},
		{"verify a -workers 0", "-workers 0"},
		{"verify a -max-pixels -3", "-max-pixels -3"},
		{"lok x", `did you mean "look"?`},
		{"look", "one quarantine"},
		{"look a b", "one quarantine"},
		{"look a -n -1", "-n -1"},
		{"look a -match [", "-match"},
		{"look a -workers 0", "-workers 0"},
		{"look a -max-pixels -3", "-max-pixels -3"},
		{"look a -retri", "did you mean -retry?"},
		{"stat", "one data set"},
		{"stat a b", "one data set"},
		{"stat a -workers 0", "-workers 0"},
		{"near", "one data set"},
		{"near a b", "one data set"},
		{"near a -distance -1", "-distance -1"},
		{"near a -distance 17", "from 0 to 16"},
		{"near a -limit -1", "-limit -1"},
		{"near a -workers 0", "-workers 0"},
		{"near a -max-pixels -3", "-max-pixels -3"},
		{"cat a", "in quotes"},
		{"cat a b c", "in quotes"},
	} {
		err := run(t.Context(), strings.Fields(c.args))
		var usage *cli.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: error %v, want %q", c.args, err, c.says)
		}
	}
	if code, said := command(t, "-force=maybe"); code != cli.ExitUsage || !strings.Contains(said, "-help") {
		t.Errorf("exit code %d, %s", code, said)
	}
	if code, said := command(t, "-help"); code != cli.ExitOK || !strings.Contains(said, "Examples:") ||
		!strings.Contains(said, "-max-bad fraction") {
		t.Errorf("exit code %d, %s", code, said)
	}
	for _, words := range []string{"-h", "verify -h", "look -h", "stat -h", "near -h", "cat -h"} {
		if err := run(t.Context(), strings.Fields(words)); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("%s: %v", words, err)
		}
	}
}

func TestMissing(t *testing.T) {
	out := filepath.Join(t.TempDir(), "shards")
	for _, args := range [][]string{{"-in", "/missing.tar", "-out", out}, {"verify", "/missing"}, {"look", "/missing"},
		{"stat", "/missing"}, {"near", "/missing"}, {"cat", "/missing", "key"}} {
		if code, said := command(t, args...); code != cli.ExitFailure || !strings.Contains(said, "/missing") {
			t.Errorf("%q: exit code %d, %s", args, code, said)
		}
	}
}

// TestInterrupt stops an ingest with SIGINT: exit code 130, and nothing is left.
func TestInterrupt(t *testing.T) {
	parent := t.TempDir()
	c := exec.Command(os.Args[0], "-in", "synthetic:n=1000000,size=64", "-out", filepath.Join(parent, "shards"),
		"-shard-mb", "1000000") // one shard, or the next ingest would go on with those that are complete
	c.Env = append(os.Environ(), asCommand+"=1")
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stderr.Read(make([]byte, 1)); err != nil { // the first progress line
		t.Fatal(err)
	}
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(stderr)
	c.Wait()
	if code := c.ProcessState.ExitCode(); code != cli.ExitInterrupted || !strings.Contains(string(rest), "interrupted") {
		t.Errorf("exit code %d, %s", code, rest)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestWorkers writes the same bytes with one and three workers.
func TestWorkers(t *testing.T) {
	src := photos(t, map[string][]byte{"cat/5.jpg": []byte("bad")})
	var fingerprints []string
	for _, workers := range []string{"1", "3"} {
		out := filepath.Join(t.TempDir(), "shards")
		if err := run(t.Context(), []string{"-in", src, "-out", out, "-workers", workers, "-max-bad", "0.2"}); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(out, "manifest.json")) // which has the checksums of all other files
		if err != nil {
			t.Fatal(err)
		}
		fingerprints = append(fingerprints, string(b))
		d, err := datasets.Open(context.Background(), out, datasets.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if d.Len() != 8 {
			t.Errorf("%d images", d.Len())
		}
		d.Close()
	}
	if fingerprints[0] != fingerprints[1] {
		t.Error("the output depends on the number of workers")
	}
}

// TestPartsAndSplits writes shards in parts and in splits, from the command line.
func TestPartsAndSplits(t *testing.T) {
	src := photos(t, nil)
	dir := t.TempDir()
	whole, merged := filepath.Join(dir, "whole"), filepath.Join(dir, "merged")
	saysAll(t, cli.ExitOK, []string{"8 images of 2 classes"}, "-in", src, "-out", whole)
	saysAll(t, cli.ExitOK, []string{"/2: "}, "-in", src, "-out", filepath.Join(dir, "parts", "2"), "-part", "2/2")
	saysAll(t, cli.ExitFailure, []string{"[1] are missing", "-part"}, "merge", "-out", merged, filepath.Join(dir, "parts", "2"))
	saysAll(t, cli.ExitOK, []string{"/1: "}, "-in", src, "-out", filepath.Join(dir, "parts", "1"), "-part", "1/2")
	saysAll(t, cli.ExitOK, []string{"8 images of 2 classes"}, "merge", "-out", merged, filepath.Join(dir, "parts", "2"), filepath.Join(dir, "parts", "1"))
	for _, name := range []string{"manifest.json", "shard-00000.arrow"} {
		a, err := os.ReadFile(filepath.Join(whole, name))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(merged, name)); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s of the merged parts is another one, or %v", name, err)
		}
	}

	splits := filepath.Join(dir, "splits")
	saysAll(t, cli.ExitOK, []string{"/train: ", "/val: "}, "-in", src, "-out", splits, "-split", "train=0.5,val=0.5")
	counts := 0
	for _, name := range []string{"train", "val"} {
		d, err := datasets.Open(t.Context(), splits+"#"+name, datasets.Options{})
		if err != nil {
			t.Fatal(err)
		}
		counts += d.Len()
		d.Close()
	}
	if counts != 8 {
		t.Errorf("%d images in the splits", counts)
	}
	if err := os.RemoveAll(filepath.Join(splits, "val")); err != nil { // as if it had been killed there
		t.Fatal(err)
	}
	saysAll(t, cli.ExitOK, []string{"/train: went on", "/val: "}, "-in", src, "-out", splits, "-split", "train=0.5,val=0.5")
	saysAll(t, cli.ExitFailure, []string{"/train exists already"}, "-in", src, "-out", splits, "-split", "train=0.6,val=0.4")
	saysAll(t, cli.ExitOK, []string{"/2: "}, "-in", src, "-out", filepath.Join(dir, "parts", "2"), "-part", "2/2")
	saysAll(t, cli.ExitFailure, []string{"exists already"}, "-in", src, "-out", filepath.Join(dir, "parts", "2"), "-part", "1/2")
	copied := filepath.Join(dir, "copied")
	same := photos(t, map[string][]byte{"dog/again.jpg": jpegBytes(t)})
	saysAll(t, cli.ExitOK, []string{"1 images of 2 classes", "8 images were left out", "duplicates.jsonl"}, "-in", same, "-out", copied, "-dedupe")
	for _, c := range []struct {
		says string
		args []string
	}{
		{"-split train=0.5: its fractions add up to 0.5", []string{"-split", "train=0.5"}},
		{`"train" is no split`, []string{"-split", "train"}},
		{"-part 3/2", []string{"-part", "3/2"}},
		{"-part two", []string{"-part", "two"}},
	} {
		saysAll(t, cli.ExitUsage, []string{c.says}, append([]string{"-in", src, "-out", filepath.Join(dir, "x")}, c.args...)...)
	}
	saysAll(t, cli.ExitUsage, []string{"-out is missing"}, "merge", whole)
	saysAll(t, cli.ExitUsage, []string{"which parts?"}, "merge", "-out", filepath.Join(dir, "x"))
}
