package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goclr/goclr/cmd/internal/cli"
)

// TestRun shows the views of a run that pretrain made, with the settings that it recorded.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("builds pretrain, which takes seconds")
	}
	dir := t.TempDir()
	pretrain, run, out := filepath.Join(dir, "pretrain"), filepath.Join(dir, "run"), filepath.Join(dir, "v.html")
	if said, err := exec.Command("go", "build", "-buildvcs=false", "-o", pretrain, "../pretrain").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if said, err := exec.Command(pretrain, "-backend", "reference", "-data", "synthetic:n=64", "-image-size", "8", "-batch", "4",
		"-seed", "3", "-window", "32", "-strength", "0.75", "-epochs", "2", "-max-steps", "1", "-out", run).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}

	said := succeed(t, "-run", run, "-epoch", "1", "-id", "42", "-out", out)
	p := parsePage(t, out)
	if !strings.Contains(p.text, "These are the views of "+run+": the plans have the same hash") || strings.Contains(said, "These are not") {
		t.Errorf("the page of the run does not say so: %s", p.text)
	}
	if !strings.Contains(p.text, "64 images · seed 3 · torchvision at 8 px, strength 0.75") {
		t.Errorf("the settings are not those of the run: %s", p.text)
	}
	if want := "views -run " + run + " -epoch 1 -id 42 -out " + out; p.command != want {
		t.Errorf("command %q, want %q", p.command, want)
	}

	said = succeed(t, "-run", run, "-seed", "4", "-out", out)
	const warning = "seed is 4, was 3"
	if p := parsePage(t, out); !strings.Contains(p.text, warning) || !strings.Contains(said, warning) || strings.Contains(p.text, "same hash") ||
		!strings.Contains(p.command, " -seed 4 ") {
		t.Errorf("a page of other views does not say so: %s %s", said, p.text)
	}

	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-run", run, "-epoch", "2"}, cli.ExitUsage, "has 2 epochs, counted from 0"},
		{[]string{"-run", run, "-data", filepath.Join(dir, "gone")}, cli.ExitFailure, "no such file"},
		{[]string{"-run", filepath.Join(dir, "none")}, cli.ExitFailure, "name the directory that pretrain -out wrote"},
	} {
		if code, said := command(t, append(c.args, "-out", out)...); code != c.code || !strings.Contains(said, c.says) {
			t.Errorf("views %q: exit code %d, %s", c.args, code, said)
		}
	}
}
