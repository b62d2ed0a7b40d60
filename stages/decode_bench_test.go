//go:build cgo

package stages

import (
	"bytes"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/turbo/turbotest"
)

// cpuTime is the CPU time of this process so far: what other programs leave alone.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkJPEG is one image an iteration: by libjpeg-turbo as its manual calls it, by Decode as a whole, and by Decode as far as
// two crops of SimCLR read it, with and without asking for the size first, as the pipeline does.
func BenchmarkJPEG(b *testing.B) {
	for _, archive := range []string{"imagenet-sample.tar", "cifar10-test.tar"} {
		files := firstImages(b, archive, 500)
		s := newSample(pipeline.Image{}, pipeline.Key{})
		draw := rand.New(rand.NewPCG(1, 1))
		crop := RandomResizedCrop{Size: 224}
		unions := make([]image.Rectangle, len(files))
		room := 0
		for i, file := range files {
			s.Bytes = file
			w, h, err := Decode{}.Size(s)
			if err != nil {
				b.Fatal(err)
			}
			room = max(room, 3*w*h)
			p := make([]float64, len(crop.Params()))
			for range 2 {
				crop.Draw(draw, w, h, p)
				unions[i] = unions[i].Union(crop.Part(p))
			}
		}
		pix := make([]byte, room)
		for _, c := range []struct {
			name   string
			decode func(i int) error
		}{
			{"libjpeg-turbo", func(i int) error { turbotest.Decode(pix, files[i]); return nil }},
			{"image-jpeg", func(i int) error { _, err := jpeg.Decode(bytes.NewReader(files[i])); return err }},
			{"whole", func(i int) error { s.Bytes = files[i]; return Decode{}.Apply(s) }},
			{"region", func(i int) error {
				s.Bytes = files[i]
				if _, _, err := (Decode{}).Size(s); err != nil {
					return err
				}
				return Decode{}.ApplyRegion(s, unions[i])
			}},
			{"size", func(i int) error { s.Bytes = files[i]; _, _, err := Decode{}.Size(s); return err }},
		} {
			b.Run(archive+"/"+c.name, func(b *testing.B) {
				b.ReportAllocs()
				before := cpuTime(b)
				for i := 0; b.Loop(); i++ {
					if err := c.decode(i % len(files)); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}
