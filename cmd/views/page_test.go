package main

import (
	"bytes"
	"image"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/cmd/internal/cli"
)

// TestPage looks at what a page says, that it needs nothing else, and that no name in the data becomes markup.
func TestPage(t *testing.T) {
	dir := photos(t)
	out := filepath.Join(t.TempDir(), "v.html")
	succeed(t, flags(dir, "-id", "6,0,2,1,4,9,8", "-out", out)...)
	p := parsePage(t, out)
	if want := "Views of " + dir + ", epoch 2"; p.title != want {
		t.Errorf("title %q, want %q", p.title, want)
	}
	if !strings.Contains(p.text, "10 images · seed 7 · torchvision at 32 px, strength 1") {
		t.Error("the page does not say what decides the views")
	}
	var order []uint64
	sizes := map[uint64]image.Point{0: {300, 200}, 1: {1, 1}, 2: {480, 20}, 4: {20, 480}, 6: {32, 32}, 8: {64, 48}, 9: {480, 480}}
	for _, c := range p.cards {
		order = append(order, c.id)
		if len(c.images) != 3 || len(c.boxes) != 2 {
			t.Fatalf("image %d has %d pictures and outlines %q", c.id, len(c.images), c.boxes)
		}
		_, view1, _ := strings.Cut(c.text, "View 1")
		view1, view2, _ := strings.Cut(view1, "View 2")
		if !strings.Contains(view1, c.boxes[0]) || !strings.Contains(view2, c.boxes[1]) {
			t.Errorf("image %d: the outlines %q are not the parts that the views name", c.id, c.boxes)
		}
		if got := c.images[0].Bounds().Size(); got != sizes[c.id] {
			t.Errorf("the original of image %d is %v, want %v", c.id, got, sizes[c.id])
		}
		for _, stage := range []string{"crop", "flip", "jitter", "grey"} {
			if strings.Count(c.text, stage) != 2 {
				t.Errorf("image %d: %q is not there twice: %q", c.id, stage, c.text)
			}
		}
	}
	if !slices.Equal(order, []uint64{6, 0, 2, 1, 4, 9, 8}) {
		t.Errorf("images %v", order)
	}
	for _, name := range []string{"a<i>&amp;/0.jpg", `b/6"onload=x.png`, "b/8 größe.png", "4000 × 30", "1 × 1"} {
		if !strings.Contains(p.text, name) {
			t.Errorf("the page does not show %q as it is", name)
		}
	}
	for _, s := range p.sources {
		if !strings.HasPrefix(s, "data:image/") {
			t.Errorf("the page needs %.80q", s)
		}
	}
	if slices.Contains(p.alts, "") || len(p.alts) != 3*len(p.cards) || !slices.Contains(p.alts, "View 2 of image 9") {
		t.Errorf("texts for pictures: %q", p.alts)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	markup := regexp.MustCompile(`"data:[^"]*"`).ReplaceAll(data, nil)
	for _, word := range []string{"http:", "https:", "url(", "@import", "<script", "<i>", "<link"} {
		if bytes.Contains(markup, []byte(word)) {
			t.Errorf("the page has %q", word)
		}
	}
}

// TestCommandRepeatsTheFile runs the command line at the foot of a page, by a shell.
func TestCommandRepeatsTheFile(t *testing.T) {
	dir := photos(t)
	out := filepath.Join(t.TempDir(), "it's a page.html")
	for _, args := range [][]string{
		{"-data", dir, "-n", "3", "-image-size", "70", "-seed", "5"},
		flags(dir, "-id", "8,2", "-max-pixels", "4000000"),
	} {
		succeed(t, append(args, "-out", out)...)
		first, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		line := parsePage(t, out).command
		if err := os.Remove(out); err != nil {
			t.Fatal(err)
		}
		words, ok := strings.CutPrefix(line, "views ")
		if !ok {
			t.Fatalf("the command is %q", line)
		}
		if code, said := execute(t, "sh", "-c", quote(os.Args[0])+" "+words); code != cli.ExitOK {
			t.Fatalf("%s: exit code %d, %s", line, code, said)
		}
		again, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, again) {
			t.Errorf("%s writes another page", line)
		}
	}
}
