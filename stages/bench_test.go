package stages

import (
	"archive/tar"
	"errors"
	"io"
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

// BenchmarkViews is two views of one image an iteration, decoding included or not.
func BenchmarkViews(b *testing.B) {
	for _, c := range []struct {
		name, archive string
		chain         []pipeline.Stage
	}{
		{"224", "imagenet-sample.tar", SimCLR(224, 1)},
		{"32", "cifar10-test.tar", CIFAR()},
	} {
		for _, decoding := range []bool{true, false} {
			name := c.name + "/decoded"
			if decoding {
				name = c.name + "/encoded"
			}
			b.Run(name, func(b *testing.B) {
				files := firstImages(b, c.archive, 100)
				images := make([]pipeline.Image, len(files))
				for i, file := range files {
					images[i] = decodeFile(b, file)
				}
				s := pipeline.NewSample(b.Context(), pipeline.Key{Seed: 1, Stage: "bench"})
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if decoding {
						s.Bytes = files[i%len(files)]
						if err := (Decode{}).Apply(s); err != nil {
							b.Fatal(err)
						}
					}
					m := images[i%len(images)]
					for range 2 {
						copy(s.Next(m.W, m.H).Pix, m.Pix)
						s.Swap()
						for _, stage := range c.chain {
							if err := stage.Apply(s); err != nil {
								b.Fatal(err)
							}
						}
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
			})
		}
	}
}
