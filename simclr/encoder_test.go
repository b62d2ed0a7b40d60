package simclr_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/onnx"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr"
)

// openTrained opens the encoder of a short run on the fastest backend there is.
func openTrained(t *testing.T) *simclr.Encoder {
	t.Helper()
	name := "onnx"
	if _, err := onnx.FindLibrary(""); err != nil {
		t.Logf("without ONNX Runtime this tests the reference backend: %v", err)
		name = "reference"
	}
	run := trainedRun(t.Context())
	b, err := backends.Open(t.Context(), name, backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	e, err := simclr.OpenEncoder(t.Context(), b, run)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func TestEmbedGivesEachImageItsOwnFeatures(t *testing.T) {
	e := openTrained(t)
	var images [][]byte
	for i := range 11 {
		images = append(images, photo(8+i, 9))
	}
	together, err := e.Embed(t.Context(), images...)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(together[0], together[1]) {
		t.Error("two images have the same features")
	}
	if none, err := e.Embed(t.Context()); none != nil || err != nil {
		t.Errorf("no images give %v, %v", none, err)
	}
	var wg sync.WaitGroup
	for i := range images {
		wg.Add(1)
		go func() { // services call it from many goroutines
			defer wg.Done()
			alone, err := e.Embed(t.Context(), images[i])
			if err != nil {
				t.Error(err)
			} else if !slices.Equal(alone[0], together[i]) {
				t.Errorf("image %d has other features alone than among others", i)
			}
		}()
	}
	wg.Wait()
}

func TestEmbedNamesTheBadImage(t *testing.T) {
	e := openTrained(t)
	_, err := e.Embed(t.Context(), photo(8, 8), []byte("no image"), photo(8, 8))
	if err == nil || !strings.Contains(err.Error(), "image 1") {
		t.Errorf("error %v, want one that names image 1", err)
	}
}

func TestBadImagesInEvaluation(t *testing.T) {
	e := openTrained(t)
	src := files{photo(8, 8), []byte("no image"), photo(9, 9), photo(10, 10)}
	_, err := e.Features(t.Context(), src, simclr.FeatureOptions{})
	if err == nil || !strings.Contains(err.Error(), "run ingest") {
		t.Errorf("error %v, want one that tells what to do", err)
	}
	f, err := e.Features(t.Context(), src, simclr.FeatureOptions{SkipBad: true})
	if err != nil || !slices.Equal(f.IDs, []uint64{0, 2, 3}) {
		t.Fatalf("features of images %v (%v), want 0, 2 and 3", f, err)
	}
	alone, err := e.Embed(t.Context(), src[2])
	if err != nil || !slices.Equal(f.Row(1), alone[0]) {
		t.Errorf("image 2 has other features than alone (%v)", err)
	}
}

// files is a source of images in memory.
type files [][]byte

func (f files) Len() int { return len(f) }

func (f files) Read(_ context.Context, i int, s *pipeline.Sample) error {
	s.Bytes, s.Label = f[i], int32(i)
	return nil
}

func TestOpenEncoderRefusesWhatIsNoRun(t *testing.T) {
	b, err := backends.Open(context.Background(), "reference", backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	dir := t.TempDir()
	_, err = simclr.OpenEncoder(t.Context(), b, dir)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%s: no checkpoint", dir)) {
		t.Errorf("error %v", err)
	}
}
