package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// measure runs in a page and tells the one around it what is to be seen. It may run there only because the test adds it to the page's policy.
const measure = `<script>addEventListener("load", () => {
  const images = [...document.images], view = images[1].getBoundingClientRect();
  const wide = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 0.5);
  parent.postMessage(JSON.stringify({
    Width: innerWidth, ScrollWidth: document.documentElement.scrollWidth,
    Images: images.length,
    Broken: images.filter(m => !m.complete || m.naturalWidth == 0).map(m => m.alt),
    Unseen: images.filter(m => m.getBoundingClientRect().width < 4 || m.getBoundingClientRect().height < 4).map(m => m.alt),
    Wide: wide.map(e => e.outerHTML.slice(0, 80)),
    Outside: [...document.querySelectorAll("svg")].filter(s => {
      const a = s.getBoundingClientRect(), b = s.previousElementSibling.getBoundingClientRect();
      return Math.abs(a.width - b.width) > 0.5 || Math.abs(a.height - b.height) > 0.5;
    }).length,
    View: {X: view.x, Y: view.y, Side: view.width},
    Columns: new Set([...document.querySelectorAll("article:first-of-type figure")].map(f => f.getBoundingClientRect().x)).size,
    Ground: getComputedStyle(document.body).backgroundColor,
  }), "*");
})</script>`

// seen is what measure tells.
type seen struct {
	Width, ScrollWidth, Images int
	Broken, Unseen, Wide       []string
	Outside                    int
	View                       struct{ X, Y, Side float64 }
	Columns                    int
	Ground                     string
}

func findBrowser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("there is no Chromium to look at the page with (apt-get install chromium)")
	return ""
}

// browse runs the browser on a page and returns what it prints.
func browse(t *testing.T, browser, page string, flags ...string) []byte {
	t.Helper()
	flags = append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1400,1000",
		"--user-data-dir=" + filepath.Join(t.TempDir(), "profile")}, flags...)
	c := exec.CommandContext(t.Context(), browser, append(flags, "file://"+page)...)
	c.WaitDelay = 10 * time.Second // its children may hold the output open
	out, err := c.Output()
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatalf("%s: %v", browser, err)
	}
	return out
}

// TestBrowser opens pages in Chromium, as wide as a screen and as a phone: each picture is loaded and seen, nothing is wider than
// the window, and the pixels on the screen are those of the view.
func TestBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser, which takes seconds")
	}
	browser := findBrowser(t)
	data := photos(t)
	for _, c := range []struct {
		width   int
		dark    bool
		columns int // of the pictures of an image
		ids     string
	}{
		{1280, false, 3, "6,0,2,1,4,9,8"}, {1280, true, 3, "2"}, {390, true, 2, "6,0,2,1,4,9,8"},
	} {
		t.Run(fmt.Sprintf("%d dark=%v", c.width, c.dark), func(t *testing.T) {
			dir := t.TempDir()
			page, frame := filepath.Join(dir, "v.html"), filepath.Join(dir, "frame.html")
			succeed(t, "-data", data, "-id", c.ids, "-image-size", "8", "-out", page)
			view := parsePage(t, page).cards[0].images[1]
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			const policy = "default-src 'none'"
			scripted := strings.Replace(string(text), policy, policy+"; script-src 'unsafe-inline'", 1)
			scripted = strings.Replace(scripted, "</body>", measure+"</body>", 1)
			if strings.Count(scripted, "script") != 3 {
				t.Fatal("the page does not look as this test takes it to")
			}
			// A window of Chromium is not as narrow as a phone, but a frame in it may be.
			around := fmt.Sprintf(`<body style="margin:0"><iframe src="v.html" style="border:0;width:%dpx;height:900px"></iframe>
				<pre></pre><script>onmessage = e => document.querySelector("pre").textContent = e.data</script>`, c.width)
			for path, text := range map[string]string{page: scripted, frame: around} {
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			var scheme []string
			if c.dark {
				scheme = []string{"--blink-settings=preferredColorScheme=0"}
			}

			dom := browse(t, browser, frame, append(scheme, "--virtual-time-budget=5000", "--dump-dom")...)
			told := regexp.MustCompile(`<pre>(.*?)</pre>`).FindSubmatch(dom)
			var s seen
			if told == nil {
				t.Fatalf("the page told nothing: %.300s", dom)
			}
			if err := json.Unmarshal([]byte(html.UnescapeString(string(told[1]))), &s); err != nil {
				t.Fatalf("%v: %s", err, told[1])
			}
			if s.Width != c.width || s.ScrollWidth > s.Width || len(s.Wide) > 0 {
				t.Errorf("the page scrolls sideways: %d wide in %d, because of %q", s.ScrollWidth, s.Width, s.Wide)
			}
			if want := 3 * len(strings.Split(c.ids, ",")); s.Images != want || len(s.Broken) > 0 || len(s.Unseen) > 0 {
				t.Errorf("%d pictures, want %d; not loaded %q, too small to see %q", s.Images, want, s.Broken, s.Unseen)
			}
			if s.Outside > 0 {
				t.Errorf("the outlines of %d originals are not of their size", s.Outside)
			}
			if s.Columns != c.columns {
				t.Errorf("pictures stand in %d columns, want %d", s.Columns, c.columns)
			}
			if dark := strings.HasPrefix(s.Ground, "rgb(20,"); dark == !c.dark {
				t.Errorf("the ground is %s", s.Ground)
			}

			shot := filepath.Join(dir, "shot.png")
			browse(t, browser, frame, append(scheme, "--screenshot="+shot)...)
			comparePixels(t, shot, &s, view)
		})
	}
}

// comparePixels looks in a screenshot for the pixels of the first view, each a square.
func comparePixels(t *testing.T, shot string, s *seen, view image.Image) {
	t.Helper()
	f, err := os.Open(shot)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	screen, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	n := view.Bounds().Dx()
	for i := range n * n {
		x, y := i%n, i/n
		at := func(from float64, k int) int { return int(from + (float64(k)+0.5)*s.View.Side/float64(n)) }
		r, g, b, _ := screen.At(at(s.View.X, x), at(s.View.Y, y)).RGBA()
		want := color.NRGBAModel.Convert(view.At(x, y)).(color.NRGBA)
		if byte(r>>8) != want.R || byte(g>>8) != want.G || byte(b>>8) != want.B {
			t.Fatalf("pixel (%d, %d) of the view is on the screen as %d, %d, %d; want %v", x, y, r>>8, g>>8, b>>8, want)
		}
	}
}
