package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goclr/goclr/cmd/internal/cli"
)

// lookalikes is a folder with the eight photos, which are the same, a scene in four versions, another one that has no other, and two that are bad.
func lookalikes(t *testing.T) string {
	t.Helper()
	var worse bytes.Buffer
	if err := jpeg.Encode(&worse, drawScene(300, 200, 255), &jpeg.Options{Quality: 50}); err != nil {
		t.Fatal(err)
	}
	other := image.NewRGBA(image.Rect(0, 0, 60, 60))
	for i := range 60 * 60 {
		x, y := i%60, i/60
		other.Set(x, y, color.Gray{uint8(200 * (x/15%2 ^ y/20%2))})
	}
	return photos(t, map[string][]byte{
		"owl/a.jpg":     encodeJPEG(t, drawScene(300, 200, 255)),
		"owl/b.jpg":     encodeJPEG(t, drawScene(300, 200, 255)),
		"owl/c.jpg":     worse.Bytes(),
		"owl/d.png":     encodePNG(t, drawScene(150, 100, 255)),
		"owl/other.png": encodePNG(t, other),
		"owl/x.jpg":     []byte("<html>"),
		"owl/y.jpg":     jpegBytes(t)[:300],
	})
}

// nearLines runs near -json and returns its lines.
func nearLines(t *testing.T, args ...string) (list []nearImage) {
	t.Helper()
	out, _ := apart(t, append([]string{"near", "-json"}, args...)...)
	for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
		var m nearImage
		if err := d.Decode(&m); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		list = append(list, m)
	}
	return list
}

func TestNear(t *testing.T) {
	src := lookalikes(t)
	for _, workers := range []string{"1", "4"} {
		said := saysAll(t, cli.ExitFailure, []string{
			"group  distance     pixels  bytes  copy of  image  key\n",
			"    1         0    20 x 10    ", "           #0     cat/1.jpg\n", "  #0       #7     dog/4.jpg\n",
			"    2         0  300 x 200   ", "  #8       #9     owl/b.jpg\n", "           #11    owl/d.png\n",
			src + ": 15 images, 12 of them in 2 groups of near duplicates (of 64 bits, 4 may differ), 8 of these exact copies; 2 bad\n",
			"of 15 images 2 are bad:", "#13 owl/x.jpg: not a JPEG", "#14 owl/y.jpg: ", "/15 images", "pass 5 of 5  2 bad",
		}, "near", src, "-workers", workers)
		if strings.Contains(said, "other") {
			t.Errorf("an image that no other looks like: %s", said)
		}
	}
	saysAll(t, cli.ExitFailure, []string{"cat/1.jpg", "1 of the groups are listed; -limit 0 lists all"}, "near", src, "-limit", "1")
	saysAll(t, cli.ExitFailure, []string{"15 are bad", "15 images, no near duplicates", "-max-pixels"}, "near", src, "-max-pixels", "199")
	saysAll(t, cli.ExitOK, []string{"20 images, no near duplicates (of 64 bits, 2 may differ)\n"}, "near", "synthetic:n=20", "-distance", "2")
}

// TestNearJSON writes the same of every image, whatever the workers.
func TestNearJSON(t *testing.T) {
	shards := filepath.Join(t.TempDir(), "shards")
	if err := run(t.Context(), []string{"-in", lookalikes(t), "-out", shards, "-max-bad", "0.5"}); err != nil {
		t.Fatal(err)
	}
	got := nearLines(t, shards)
	if len(got) != 12 {
		t.Fatalf("%d images: %+v", len(got), got)
	}
	first := map[int]uint32{}
	for i, m := range got {
		if i == 0 || m.Group != got[i-1].Group {
			first[m.Group] = m.Index
			if m.Distance != 0 || m.CopyOf != nil {
				t.Errorf("first of its group: %+v", m)
			}
		} else if m.Index < got[i-1].Index {
			t.Errorf("#%d stands behind #%d", m.Index, got[i-1].Index)
		}
		want := nearImage{Group: 1, Width: 20, Height: 10, Bytes: len(jpegBytes(t))}
		switch {
		case m.Key == "owl/d.png":
			want = nearImage{Group: 2, Width: 150, Height: 100, Bytes: len(encodePNG(t, drawScene(150, 100, 255)))}
		case m.Key == "owl/c.jpg":
			want = nearImage{Group: 2, Width: 300, Height: 200, Bytes: m.Bytes}
		case strings.HasPrefix(m.Key, "owl/"):
			want = nearImage{Group: 2, Width: 300, Height: 200, Bytes: len(encodeJPEG(t, drawScene(300, 200, 255)))}
		}
		want.Index, want.Key, want.Distance, want.CopyOf = m.Index, m.Key, m.Distance, m.CopyOf
		if !reflect.DeepEqual(m, want) || m.Distance > 4 {
			t.Errorf("%+v, want %+v", m, want)
		}
		if out, _ := apart(t, "cat", shards, m.Key); len(out) != m.Bytes {
			t.Errorf("%s has %d bytes, and %d are told", m.Key, len(out), m.Bytes)
		}
		if m.Group == 1 && i > 0 && (m.CopyOf == nil || *m.CopyOf != first[1]) {
			t.Errorf("a copy of #%d: %+v", first[1], m)
		}
	}
	for _, workers := range []string{"1", "3"} {
		if again := nearLines(t, shards, "-workers", workers); !reflect.DeepEqual(again, got) {
			t.Errorf("with %s workers: %+v, want %+v", workers, again, got)
		}
	}
	if one := nearLines(t, shards, "-limit", "1"); !reflect.DeepEqual(one, got[:8]) {
		t.Errorf("the first group: %+v", one)
	}
}

func TestNearStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, []string{"near", "synthetic:n=100"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	n := nearFinder{workers: 2, hashes: make([]uint64, 10), sums: make([]uint64, 10)}
	if err := n.list(ctx, [][]uint32{{1, 2}, {3, 4}}, func(*nearImage) error { t.Error("told"); return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
