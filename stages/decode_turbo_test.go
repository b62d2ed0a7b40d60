//go:build cgo

package stages

import (
	"bytes"
	"fmt"
	"image"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/probe"
	"github.com/goclr/goclr/stages/internal/tiff"
	"github.com/goclr/goclr/stages/internal/turbo/turbotest"
)

var fingerprint = regexp.MustCompile(`^libvips 8\.\d+\.\d+, libjpeg-turbo [1-9]\.\d+\.\d+$`)

// decodable are the files that this build decodes: all.
func decodable(t testing.TB) []goldenDecode { return readGolden(t).Decode }

// tolerated is how far a decode may be from Pillow's. Pillow, too, decodes JPEG with libjpeg-turbo and its defaults: no pixel differs.
func tolerated(c goldenDecode) (most int, mean float64) {
	if strings.HasSuffix(c.File, ".jpg") && c.Most < 10 {
		return 0, 0
	}
	return c.Most, max(c.Mean, float64(c.Most)/2)
}

// Most of these files do not reach libvips, so it is tested apart on them, those that need turning left out.
func TestDecodeByVips(t *testing.T) {
	for _, c := range decodable(t) {
		b := readFile(t, c.File)
		info, err := probe.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if info.Orientation > 1 {
			continue
		}
		m, err := decodeVips(b, info)
		if err != nil {
			t.Errorf("%s: %v", c.File, err)
			continue
		}
		w, h := m.size()
		got := pipeline.Image{W: w, H: h, Pix: make([]byte, 3*w*h)}
		m.writeTo(got.Pix, make([]byte, m.scratch()))
		limit, _ := tolerated(c)
		if most, _ := distance(t, got, readPNG(t, c.Want)); most > limit {
			t.Errorf("%s differs from Pillow by %d levels, want at most %d", c.File, most, limit)
		}
	}
}

// photos are all images of a folder of real ones, few with -short.
func photos(t testing.TB) [][]byte {
	if testing.Short() {
		return firstImages(t, "imagenet-sample.tar", 25)
	}
	return firstImages(t, "imagenet-sample.tar", 1e6)
}

func TestRegionsOfPhotos(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i, b := range photos(t) {
		checkRegions(t, r, fmt.Sprintf("image %d", i), b, 4)
	}
}

// TestPhotosByVips: which library decodes a photograph shows in no pixel.
func TestPhotosByVips(t *testing.T) {
	for i, b := range firstImages(t, "imagenet-sample.tar", 50) {
		info, err := probe.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		m, err := decodeVips(b, info)
		if err != nil {
			t.Fatal(err)
		}
		pix := make([]byte, 3*info.W*info.H)
		m.writeTo(pix, nil)
		if got := decodeFile(t, b); info.Orientation == 1 && !bytes.Equal(got.Pix, pix) {
			t.Errorf("image %d: libvips gives other pixels", i)
		}
	}
}

// What libjpeg-turbo warns about, libvips decides, which takes the file as it did before there was another decoder.
func TestWarningsAreLeftToVips(t *testing.T) {
	b := readFile(t, "decode/large.jpg")
	strange := append(append(bytes.Clone(b[:len(b)-2]), 0, 1, 2, 3, 4), 0xff, 0xd9) // extraneous bytes before the end
	s := newSample(pipeline.Image{}, pipeline.Key{})
	s.Bytes = strange
	if decodeRegion(s, image.Rect(0, 0, 200, 150)) {
		t.Error("libjpeg-turbo has not warned")
	}
	if got := decodeFile(t, strange); !bytes.Equal(got.Pix, decodeFile(t, b).Pix) {
		t.Error("other pixels")
	}
}

// scene is a JPEG of a size that is decoded in parts.
func scene(o turbotest.Options) []byte {
	const w, h = 320, 240
	r := rand.New(rand.NewPCG(3, 4))
	pix := make([]byte, 3*w*h)
	for i := range pix {
		pix[i] = byte(i/3%w/2 + r.IntN(64))
	}
	o.Components, o.Quality, o.Sampling = 3, 90, [3][2]int{{2, 2}, {1, 1}, {1, 1}}
	return turbotest.Encode(pix, w, h, o)
}

func TestDecodeAllocatesNothing(t *testing.T) {
	for name, o := range map[string]turbotest.Options{"baseline": {}, "progressive": {Progressive: true}} {
		s := newSample(pipeline.Image{}, pipeline.Key{})
		s.Bytes = scene(o)
		for kind, f := range map[string]func() error{
			"Apply":       func() error { return Decode{}.Apply(s) },
			"ApplyRegion": func() error { return Decode{}.ApplyRegion(s, image.Rect(50, 60, 200, 190)) },
			"Size":        func() error { _, _, err := Decode{}.Size(s); return err },
		} {
			if n := testing.AllocsPerRun(50, func() {
				if err := f(); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%s of a %s file: %v allocations", kind, name, n)
			}
		}
	}
}

// resident is the memory of this process in bytes, without what Go's heap has free.
func resident(t *testing.T) int {
	t.Helper()
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skipf("cannot tell how much memory this process has: %v", err)
	}
	var size, pages int
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// TestDecodeKeepsNoMemory: neither what decodes nor what fails leaves anything in C.
func TestDecodeKeepsNoMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	files := [][]byte{readFile(t, "decode/large.jpg"), readFile(t, "decode/progressive.jpg"), readFile(t, "decode/420.jpg")}
	damaged := bytes.Clone(files[0])
	copy(damaged[len(damaged)/2:], "\xff\xd0\xff\xd3")
	s := newSample(pipeline.Image{}, pipeline.Key{})
	decodeMany := func(n int) {
		for i := range n {
			s.Bytes = files[i%len(files)]
			if err := (Decode{}).ApplyRegion(s, image.Rect(3, 4, 20, 15)); err != nil {
				t.Fatal(err)
			}
			if s.Bytes = damaged; decodeRegion(s, image.Rect(0, 0, 200, 150)) {
				t.Fatal("damage passes")
			}
		}
	}
	decodeMany(1000)
	before := resident(t)
	decodeMany(25000)
	if grown := resident(t) - before; grown > 4<<20 {
		t.Errorf("%d more bytes after 50,000 images", grown)
	}
}

// TestDecodersAreSilent: what a library complains of is said in an error, or not at all. It runs in a process of its own, whose output it sees.
func TestDecodersAreSilent(t *testing.T) {
	const child = "GOCLR_TEST_SILENCE"
	if os.Getenv(child) == "" {
		run := exec.Command(os.Args[0], "-test.run=^TestDecodersAreSilent$")
		run.Env = append(os.Environ(), child+"=1")
		if out, err := run.CombinedOutput(); err != nil || string(out) != "PASS\n" {
			t.Errorf("%v, and this output:\n%s", err, out)
		}
		return
	}
	b := readFile(t, "decode/large.jpg")
	for _, damaged := range [][]byte{
		append(append(bytes.Clone(b[:len(b)-2]), 0, 1, 2, 3, 4), 0xff, 0xd9),
		append(bytes.Clone(b[:len(b)/2]), 0xff, 0xd9),
		append(bytes.Clone(b[:100]), 0xff, 0xda, 0, 2, 0xff, 0xd9),
	} {
		Check(damaged, 0) //nolint:errcheck // refused or not, it is the output that counts
	}
}

// workers counts the threads of this process that libvips has named so.
func workers(t *testing.T) (n int) {
	tasks, err := filepath.Glob("/proc/self/task/*/comm")
	if err != nil || len(tasks) == 0 {
		t.Skip("cannot see the threads of this process")
	}
	for _, task := range tasks {
		if name, err := os.ReadFile(task); err == nil && strings.Contains(string(name), "worker") {
			n++
		}
	}
	return n
}

// TestThreadsOfVips: libvips has a worker and some helpers for an image, and not the crowd that its environment asks for. It decodes in
// a process of its own, since libvips reads its environment when the process starts.
func TestThreadsOfVips(t *testing.T) {
	const wish, crowd = "VIPS_CONCURRENCY", 16
	if os.Getenv(wish) != fmt.Sprint(crowd) {
		run := exec.Command(os.Args[0], "-test.run=^TestThreadsOfVips$", "-test.v")
		run.Env = append(os.Environ(), fmt.Sprintf("%s=%d", wish, crowd))
		out, err := run.CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	pix := make([]byte, 3*2000*2000)
	b := tiff.EncodeRGB(pix, 2000, 2000)
	done := make(chan error)
	var most atomic.Int64
	go func() {
		for i := 0; i < 10 || most.Load() == 0; i++ { // until a worker was seen
			if _, err := decodeVips(b, probe.Info{Format: "TIFF"}); err != nil {
				done <- err
			}
		}
		done <- nil
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			if n := most.Load(); n >= crowd {
				t.Errorf("libvips was seen to work on one image with %d threads", n)
			}
			return
		default:
			most.Store(max(most.Load(), int64(workers(t))))
		}
	}
}
