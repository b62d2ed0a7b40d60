package stages

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decodeFile(t testing.TB, b []byte) pipeline.Image {
	t.Helper()
	s := pipeline.NewSample(context.Background(), pipeline.Key{})
	s.Bytes = b
	if err := (Decode{}).Apply(s); err != nil {
		t.Fatal(err)
	}
	return s.Image
}

func TestDecode(t *testing.T) {
	for _, c := range decodable(t) {
		t.Run(filepath.Base(c.File), func(t *testing.T) {
			b := readFile(t, c.File)
			before := bytes.Clone(b)
			got, want := decodeFile(t, b), readPNG(t, c.Want)
			most, mean := distance(t, got, want)
			t.Logf("largest difference %d, mean %.3f", most, mean)
			if limit, limitMean := tolerated(c); most > limit || mean > limitMean {
				t.Errorf("differs from Pillow by %d levels at most and %.3f on average, want at most %d and %g", most, mean, limit, limitMean)
			}
			if !bytes.Equal(b, before) {
				t.Error("Decode wrote to Sample.Bytes")
			}
			w, h, err := Check(b, 0)
			if err != nil || w != want.W || h != want.H {
				t.Errorf("Check gives %d x %d, %v; want %d x %d", w, h, err, want.W, want.H)
			}
		})
	}
}

// Pillow cannot write 16-bit colour, so the standard library does.
func TestDecodeDeepColour(t *testing.T) {
	m := image.NewNRGBA64(image.Rect(0, 0, 3, 2))
	m.SetNRGBA64(0, 0, color.NRGBA64{R: 0xffff, G: 0x8080, B: 0x0101, A: 0xffff})
	m.SetNRGBA64(1, 0, color.NRGBA64{R: 0x4040, G: 0x4040, B: 0xffff, A: 0x8080})
	m.SetNRGBA64(2, 1, color.NRGBA64{R: 0x1010, G: 0x2020, B: 0x3030, A: 0x0101})
	var file bytes.Buffer
	if err := png.Encode(&file, m); err != nil {
		t.Fatal(err)
	}
	want := []byte{255, 128, 1, 159, 159, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 254, 254, 254}
	if most, _ := distance(t, decodeFile(t, file.Bytes()), pipeline.Image{W: 3, H: 2, Pix: want}); most > 1 {
		t.Errorf("got %v, want %v", decodeFile(t, file.Bytes()).Pix, want)
	}
}

// Many workers decode at once, by both decoders, and must not disturb each other.
func TestDecodeConcurrently(t *testing.T) {
	t.Parallel()
	cases := decodable(t)
	want := make([]pipeline.Image, len(cases))
	for i, c := range cases {
		want[i] = decodeFile(t, readFile(t, c.File))
	}
	var group sync.WaitGroup
	for range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			s := pipeline.NewSample(context.Background(), pipeline.Key{})
			for i, c := range cases {
				b, err := os.ReadFile(filepath.Join("testdata", c.File))
				if err == nil {
					s.Bytes = b
					err = Decode{}.Apply(s)
				}
				if err != nil || !bytes.Equal(s.Image.Pix, want[i].Pix) {
					t.Errorf("%s: other pixels than alone, or %v", c.File, err)
				}
			}
		}()
	}
	group.Wait()
}

// hugePNG is the beginning of a PNG of side by side pixels: a header, and data that would take ages to inflate.
func hugePNG(side uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, body []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
		from := len(b)
		b = append(append(b, kind...), body...)
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[from:]))
	}
	head := binary.BigEndian.AppendUint32(nil, side)
	head = binary.BigEndian.AppendUint32(head, side)
	chunk("IHDR", append(head, 8, 2, 0, 0, 0))
	chunk("IDAT", []byte("not zlib"))
	chunk("IEND", nil)
	return b
}

// resized returns the JPEG b with another size in its frame header.
func resized(t *testing.T, b []byte, w, h uint16) []byte {
	t.Helper()
	at := bytes.Index(b, []byte{0xff, 0xc0})
	if at < 0 {
		t.Fatal("no baseline frame header")
	}
	b = bytes.Clone(b)
	binary.BigEndian.PutUint16(b[at+5:], h)
	binary.BigEndian.PutUint16(b[at+7:], w)
	return b
}

func TestDecodeRefuses(t *testing.T) {
	jpeg := readFile(t, "decode/large.jpg")
	flipped := bytes.Clone(readFile(t, "decode/rgb.png"))
	flipped[len(flipped)/2] ^= 4
	for _, c := range []struct {
		name string
		b    []byte
		max  int
		want error
		says string // what the message must tell the user
	}{
		{"nil", nil, 0, ErrEmpty, "0 bytes"},
		{"zero bytes", []byte{}, 0, ErrEmpty, "0 bytes"},
		{"text named .jpg", []byte("This is a caption, not a picture."), 0, ErrFormat, `begins with "This is a ca"`},
		{"one byte", []byte{0xff}, 0, ErrFormat, "begins with"},
		{"SVG, which bimg would take", []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>`), 0, ErrFormat, "JPEG, PNG"},
		{"JPEG with nothing behind its first marker", jpeg[:3], 0, ErrTruncated, "JPEG file of 3 bytes"},
		{"JPEG cut in its header", jpeg[:100], 0, ErrTruncated, "end marker"},
		{"JPEG cut in its pixels", jpeg[:len(jpeg)/2], 0, ErrTruncated, "end marker"},
		{"JPEG without its last byte", jpeg[:len(jpeg)-1], 0, ErrTruncated, "end marker"},
		{"JPEG of 30,000 x 30,000", resized(t, jpeg, 30000, 30000), 0, ErrTooLarge, "30000 x 30000"},
		{"JPEG of no height", resized(t, jpeg, 200, 0), 0, ErrCorrupt, "200 x 0"},
		{"PNG of 30,000 x 30,000", hugePNG(30000), 0, ErrTooLarge, "-max-pixels"},
		{"PNG whose size overflows", hugePNG(1<<32 - 1), 0, ErrTooLarge, "4294967295"},
		{"over a limit of its own", jpeg, 200*150 - 1, ErrTooLarge, "the limit is 29999"},
		{"PNG with a flipped bit", flipped, 0, ErrCorrupt, "checksum"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := pipeline.NewSample(context.Background(), pipeline.Key{})
			s.Bytes = c.b
			err := Decode{MaxPixels: c.max}.Apply(s)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Decode gives %v, want %v saying %q", err, c.want, c.says)
			}
			if _, _, checked := Check(c.b, c.max); checked == nil || err == nil || checked.Error() != err.Error() {
				t.Errorf("Check gives %v, want what Decode gives: %v", checked, err)
			}
		})
	}
}

// Every format, cut anywhere, must be refused rather than come out with grey where pixels are missing.
func TestDecodeRefusesEveryCut(t *testing.T) {
	for _, name := range []string{"420.jpg", "progressive.jpg", "grey.jpg", "rgb.png", "palette.png", "lossless.webp", "lossy.webp",
		"alpha.webp", "still.gif", "raw.tiff", "lzw.tiff"} {
		t.Run(name, func(t *testing.T) {
			whole := readFile(t, "decode/"+name)
			// A GIF is whole at the end of its first frame: the trailer behind it is one byte.
			for n := len(whole) - 2; n > 0; n -= 1 + n/40 {
				if _, _, err := Check(whole[:n], 0); err == nil {
					t.Errorf("the first %d of %d bytes pass for an image", n, len(whole))
				}
			}
		})
	}
}

// A file that says it is small must not make a decoder take memory or crash, whatever follows.
func FuzzCheck(f *testing.F) {
	for _, name := range []string{"420.jpg", "rgb.png", "alpha.webp", "still.gif", "lzw.tiff", "orientation6.jpg"} {
		f.Add(readFile(f, "decode/"+name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if w, h := checkAsDecode(t, b, 1<<16); w*h > 1<<16 {
			t.Errorf("%d x %d pixels pass a limit of %d", w, h, 1<<16)
		}
	})
}

// checkAsDecode checks a file, and holds what comes of it against what Decode makes of it.
func checkAsDecode(t *testing.T, b []byte, maxPixels int) (w, h int) {
	t.Helper()
	w, h, err := Check(b, maxPixels)
	s := newSample(pipeline.Image{}, pipeline.Key{})
	s.Bytes = b
	decoded := Decode{MaxPixels: maxPixels}.Apply(s)
	if decoded == nil && (err != nil || w != s.Image.W || h != s.Image.H) || decoded != nil && (err == nil || err.Error() != decoded.Error()) {
		t.Errorf("Check says %d x %d, %v; Decode %d x %d, %v", w, h, err, s.Image.W, s.Image.H, decoded)
	}
	return w, h
}

// TestCheckJudgesAsDecode damages files of all formats, and photographs, in many ways.
func TestCheckJudgesAsDecode(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 21))
	files := firstImages(t, "imagenet-sample.tar", 10)
	for _, name := range []string{"420.jpg", "orientation6.jpg", "cmyk.jpg", "progressive.jpg", "rgb.png", "alpha.webp", "still.gif"} {
		files = append(files, readFile(t, "decode/"+name))
	}
	for _, whole := range files {
		checkAsDecode(t, whole, 0)
		for range 20 {
			b := bytes.Clone(whole)
			switch at := r.IntN(len(b)); r.IntN(4) {
			case 0:
				b[at] ^= 1 << r.IntN(8)
			case 1:
				b = b[:at]
			case 2:
				b = append(b[:at], b[min(at+1+r.IntN(9), len(b)):]...)
			case 3:
				for i := range b[at:min(at+20, len(b))] {
					b[at+i] = byte(r.Uint32())
				}
			}
			checkAsDecode(t, b, 1<<22)
		}
	}
}

func TestDecodeLimitIsAtMostWhatBimgCanReturn(t *testing.T) {
	for _, limit := range []int{-1, largestMaxPixels + 1} {
		if _, err := (Decode{MaxPixels: limit}).Shape(pipeline.Shape{}); err == nil || !strings.Contains(err.Error(), "-max-pixels") {
			t.Errorf("MaxPixels %d: %v, want an error that names the flag", limit, err)
		}
	}
}

// TestPlanNamesTheDecoders: a run is not resumed with decoders that give other pixels.
func TestPlanNamesTheDecoders(t *testing.T) {
	var d pipeline.Stage = Decode{}
	f, ok := d.(pipeline.Fingerprinter)
	if !ok {
		t.Fatal("Decode is no Fingerprinter")
	}
	if got := f.Fingerprint(); !fingerprint.MatchString(got) {
		t.Errorf("fingerprint %q, want what matches %v", got, fingerprint)
	}
}
