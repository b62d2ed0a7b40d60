package stages

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// firstImages returns the first n files of an archive of the data folder, or skips.
func firstImages(b testing.TB, archive string, n int) (files [][]byte) {
	b.Helper()
	dir := os.Getenv("GOCLR_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	f, err := os.Open(filepath.Join(dir, archive))
	if err != nil {
		b.Skipf("no images to measure with: %v; GOCLR_DATA names the folder that has them", err)
	}
	defer f.Close()
	for r := tar.NewReader(f); len(files) < n; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		file, err := io.ReadAll(r)
		if err != nil {
			b.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// BenchmarkDecode is one image an iteration.
func BenchmarkDecode(b *testing.B) {
	for _, archive := range []string{"imagenet-sample.tar", "cifar10-test.tar"} {
		b.Run(archive, func(b *testing.B) {
			files := firstImages(b, archive, 200)
			s := pipeline.NewSample(b.Context(), pipeline.Key{})
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.Bytes = files[i%len(files)]
				if err := (Decode{}).Apply(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// encoded is a source of files in memory.
type encoded [][]byte

// Len implements pipeline.Source.
func (e encoded) Len() int { return len(e) }

// Read implements pipeline.Source.
func (e encoded) Read(_ context.Context, i int, s *pipeline.Sample) error {
	s.Bytes = e[i]
	return nil
}

// BenchmarkViews is a batch of 32 images an iteration, from files to pairs of views, by one worker.
func BenchmarkViews(b *testing.B) {
	const batch = 32
	for _, c := range []struct {
		size     int
		archive  string
		strength float64
	}{{224, "imagenet-sample.tar", 1}, {32, "cifar10-test.tar", 0.5}} {
		for _, name := range []string{"torchvision", "simclr-v1", "simclr-v2"} {
			b.Run(fmt.Sprintf("%s/%d", name, c.size), func(b *testing.B) {
				chain, err := Preset(name, c.size, c.strength)
				if err != nil {
					b.Fatal(err)
				}
				p, err := pipeline.New(encoded(firstImages(b, c.archive, 200)),
					pipeline.Options{Batch: batch, Epochs: 1 << 20, Workers: 1, Seed: 1}, Decode{}, pipeline.Pair(chain...))
				if err != nil {
					b.Fatal(err)
				}
				next, stop := iter.Pull2(p.Batches(b.Context(), 0))
				defer stop()
				b.ReportAllocs()
				for b.Loop() {
					if _, err, _ := next(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(batch*float64(b.N)/b.Elapsed().Seconds(), "images/s")
			})
		}
	}
}

// BenchmarkStages is one stage that acts, applied once an iteration: croppers make 224 or 32 pixels of an image of twice the size.
func BenchmarkStages(b *testing.B) {
	scene := readPNG(b, "97x61.png")
	for _, size := range []int{224, 32} {
		jitter := ColorJitter{P: 1, Brightness: 0.8, Contrast: 0.8, Saturation: 0.8, Hue: 0.2}
		reference := jitter
		reference.Style = TensorFlow
		for _, c := range []struct {
			name  string
			stage pipeline.Drawer
			from  int
		}{
			{"RandomResizedCrop", RandomResizedCrop{Size: size}, 2 * size},
			{"RandomResizedCrop/bicubic", RandomResizedCrop{Size: size, Interpolation: Bicubic}, 2 * size},
			{"RandomResizedCrop/tensorflow", RandomResizedCrop{Size: size, Interpolation: BicubicTensorFlow, Style: TensorFlow}, 2 * size},
			{"CenterCrop", CenterCrop{Size: size}, 2 * size},
			{"Resize", Resize{Size: size}, 2 * size},
			{"Flip", Flip{P: 1}, size},
			{"ColorJitter", jitter, size},
			{"ColorJitter/tensorflow", reference, size},
			{"Grayscale", Grayscale{P: 1}, size},
			{"Solarize", Solarize{P: 1}, size},
			{"GaussianBlur", GaussianBlur{P: 1, Kernel: size/10/2*2 + 1}, size},
			{"Rotate", Rotate{}, size},
			{"Cutout", Cutout{P: 1}, size},
			{"Sobel", Sobel{P: 1}, size},
			{"GaussianNoise", GaussianNoise{P: 1}, size},
		} {
			b.Run(fmt.Sprintf("%s/%d", c.name, size), func(b *testing.B) {
				s := newSample(scene, pipeline.Key{Seed: 1, Stage: "bench"})
				if err := (Resize{Size: c.from}).Apply(s); err != nil {
					b.Fatal(err)
				}
				from := bytes.Clone(s.Image.Pix)
				p := make([]float64, len(c.stage.Params()))
				b.ReportAllocs()
				for b.Loop() {
					copy(s.Next(c.from, c.from).Pix, from)
					s.Swap()
					c.stage.Draw(s.Rand, c.from, c.from, p)
					if err := c.stage.ApplyWith(s, p); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
