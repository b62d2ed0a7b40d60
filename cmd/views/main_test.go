package main

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/goclr/goclr/cmd/internal/cli"
)

// asCommand makes the test binary the command itself, so that exit codes can be seen.
const asCommand = "GOCLR_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// command runs the command in another process and returns its exit code and what it printed.
func command(t *testing.T, args ...string) (code int, output string) {
	t.Helper()
	return execute(t, os.Args[0], args...)
}

func execute(t *testing.T, name string, args ...string) (code int, output string) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), asCommand+"=1")
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(out)
}

// succeed runs the command and fails the test if it fails.
func succeed(t *testing.T, args ...string) (output string) {
	t.Helper()
	code, output := command(t, args...)
	if code != cli.ExitOK {
		t.Fatalf("views %q: exit code %d, %s", args, code, output)
	}
	return output
}

// picture is an image without two equal pixels next to one another.
func picture(w, h int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{uint8(37*x + 11*y), uint8(255 * x / w), uint8(255 * y / h), 255})
		}
	}
	return m
}

// badImage is the number of the image in photos that cannot be decoded.
const badImage = 3

// photos is a folder of images of every shape, one of them bad, with names that mean something to HTML.
func photos(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "it's <my> $photos")
	jpegs := func(w, h int) []byte {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, picture(w, h), nil); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	pngs := func(w, h int) []byte {
		var b bytes.Buffer
		if err := png.Encode(&b, picture(w, h)); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for name, b := range map[string][]byte{
		"a<i>&amp;/0.jpg":    jpegs(300, 200),
		"a<i>&amp;/1.png":    pngs(1, 1),
		"a<i>&amp;/2.jpg":    jpegs(4000, 30),
		"a<i>&amp;/3bad.jpg": jpegs(300, 200)[:2000],
		"b/4.png":            pngs(3, 1500),
		"b/5.jpg":            jpegs(1200, 900),
		"b/6\"onload=x.png":  pngs(32, 32),
		"b/7.jpg":            jpegs(97, 61),
		"b/8 größe.png":      pngs(64, 48),
		"b/9" + strings.Repeat("long", 40) + ".png": pngs(500, 500),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A parsedPage is what a browser would find in a page.
type parsedPage struct {
	title, command string
	text           string // all of it
	cards          []parsedCard
	sources        []string // of everything that a browser would fetch
	alts           []string // of the pictures
}

type parsedCard struct {
	id     uint64
	text   string
	images []image.Image // the original and the views
	boxes  []string      // the outlines, as a view's text names a part
}

// parsePage reads a page as XML with the liberties of HTML.
func parsePage(t *testing.T, path string) *parsedPage {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta", "img"}, xml.HTMLEntity
	p := &parsedPage{}
	var open []string
	var now *parsedCard
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the page is not well formed: %v", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			open = append(open, e.Name.Local)
			attr := map[string]string{}
			for _, a := range e.Attr {
				attr[a.Name.Local] = a.Value
				switch a.Name.Local {
				case "src", "href", "srcset", "data", "action":
					p.sources = append(p.sources, a.Value)
				}
			}
			switch e.Name.Local {
			case "article":
				id, err := strconv.ParseUint(strings.TrimPrefix(attr["id"], "id-"), 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				p.cards = append(p.cards, parsedCard{id: id})
				now = &p.cards[len(p.cards)-1]
			case "img":
				p.alts = append(p.alts, attr["alt"])
				now.images = append(now.images, decodeDataURL(t, attr["src"]))
			case "rect":
				if strings.HasPrefix(attr["class"], "box") {
					now.boxes = append(now.boxes, fmt.Sprintf("%s\u00a0×\u00a0%s at\u00a0(%s,\u00a0%s)", attr["width"], attr["height"], attr["x"], attr["y"]))
				}
			}
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != e.Name.Local {
				t.Fatalf("</%s> ends %v", e.Name.Local, open)
			}
			open = open[:len(open)-1]
			if e.Name.Local == "article" {
				now = nil
			}
		case xml.CharData:
			if len(open) == 0 || open[len(open)-1] == "style" {
				continue
			}
			p.text += string(e)
			switch open[len(open)-1] {
			case "title":
				p.title += string(e)
			case "code":
				p.command += string(e)
			}
			if now != nil {
				now.text += string(e)
			}
		}
	}
	return p
}

func decodeDataURL(t *testing.T, url string) image.Image {
	t.Helper()
	_, encoded, ok := strings.Cut(url, ";base64,")
	if !ok {
		t.Fatalf("an image has the source %.80q", url)
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// rgbOf returns the pixels of an image, packed.
func rgbOf(m image.Image) []byte {
	var pix []byte
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
			pix = append(pix, c.R, c.G, c.B)
		}
	}
	return pix
}

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "v.html")
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"photos"}, `unexpected argument "photos": the images go after -data`},
		{[]string{"-agument", "x"}, "did you mean -augment?"},
		{[]string{"-out", filepath.Join(dir, "v.gif")}, "v.gif: the name must end in .html"},
		{[]string{"-out", filepath.Join(dir, "v")}, "must end in .html"},
		{[]string{"-out", filepath.Join(dir, "none", "v.html")}, "there is no folder " + filepath.Join(dir, "none")},
		{[]string{"-id", "64"}, "-id 64: there is no such image: synthetic:n=64 has 64 images, counted from 0"},
		{[]string{"-id", "1,x"}, `"x" is no number of an image`},
		{[]string{"-id", "-1"}, `"-1" is no number of an image`},
		{[]string{"-id", "1", "-n", "3"}, "no place for -n"},
		{[]string{"-n", "0"}, "-n 0: it must be at least 1"},
		{[]string{"-epoch", "-1"}, "-epoch -1: epochs count from 0"},
		{[]string{"-strength", "3"}, "-strength 3: the strength of the colour jitter is 3: want 0 to 2.5"},
		{[]string{"-image-size", "0"}, "Size is 0"},
		{[]string{"-strength", "2", "-augment", "simclr-v1"}, "want 0 to 1.25"},
		{[]string{"-augment", "torchvison"}, "want torchvision, simclr-v1 or simclr-v2"},
	} {
		args := append([]string{"-data", "synthetic:n=64", "-out", out}, c.args...)
		code, said := command(t, args...)
		if code != cli.ExitUsage || !strings.Contains(said, c.says) {
			t.Errorf("views %q: exit code %d, %s; want %q", c.args, code, said, c.says)
		}
	}
	if code, said := command(t, "-data", filepath.Join(dir, "nothing"), "-out", out); code != cli.ExitFailure || !strings.Contains(said, "no such file") {
		t.Errorf("exit code %d, %s", code, said)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("failures left %v", left)
	}
	if said := succeed(t, "-h"); !strings.Contains(said, "views -run runs/photos -epoch 3 -id 1234") {
		t.Errorf("help: %s", said)
	}
}

// TestBadImage asks for an image that cannot be decoded: the reason is told, and an older file stays.
func TestBadImage(t *testing.T) {
	out := filepath.Join(t.TempDir(), "v.html")
	if err := os.WriteFile(out, []byte("older"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, said := command(t, "-data", photos(t), "-id", fmt.Sprintf("0,%d", badImage), "-out", out)
	if code != cli.ExitFailure || !strings.Contains(said, "sample 3 (a<i>&amp;/3bad.jpg)") || !strings.Contains(said, "Decode") {
		t.Errorf("exit code %d, %s", code, said)
	}
	if data, err := os.ReadFile(out); err != nil || string(data) != "older" {
		t.Errorf("the older file is now %q, %v", data, err)
	}
}

// TestNothingButBadImages has no image to show.
func TestNothingButBadImages(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.jpg"), []byte("no image"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, said := command(t, "-data", dir, "-out", filepath.Join(dir, "v.html"))
	if code != cli.ExitFailure || !strings.Contains(said, "no good image is left to show: sample 0 (a.jpg)") {
		t.Errorf("exit code %d, %s", code, said)
	}
}
