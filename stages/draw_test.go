package stages

import (
	"fmt"
	"image"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// draws calls f with the generators of n samples.
func draws(stage string, n int, f func(k pipeline.Key)) {
	for id := range uint64(n) {
		f(pipeline.Key{Seed: 20, Stage: stage, ID: id})
	}
}

// near fails unless got is within 4 standard errors of p, as the share of n trials.
func near(t *testing.T, what string, got int, n int, p float64) {
	t.Helper()
	share, slack := float64(got)/float64(n), 4*math.Sqrt(p*(1-p)/float64(n))
	if math.Abs(share-p) > slack {
		t.Errorf("%s: %.4f of %d draws, want %.4f within %.4f", what, share, n, p, slack)
	}
}

// spread fails unless values lie in [lo, hi], reach nearly to both ends and fill every tenth evenly.
func spread(t *testing.T, what string, values []float64, lo, hi float64) {
	t.Helper()
	var tenths [10]int
	for _, v := range values {
		if v < lo || v > hi {
			t.Fatalf("%s: %g is not in [%g, %g]", what, v, lo, hi)
		}
		tenths[min(int((v-lo)/(hi-lo)*10), 9)]++
	}
	for _, n := range tenths {
		near(t, what+", one tenth of its range", n, len(values), 0.1)
	}
}

// drawn returns what a stage draws for an image of w by h pixels, by name.
func drawn(d pipeline.Drawer, k pipeline.Key, w, h int) map[string]float64 {
	p := make([]float64, len(d.Params()))
	d.Draw(k.Rand(), w, h, p)
	named := map[string]float64{}
	for i, name := range d.Params() {
		named[name] = p[i]
	}
	return named
}

// drawnBox returns the part that a stage draws of an image of w by h pixels.
func drawnBox(d pipeline.Cropper, k pipeline.Key, w, h int) image.Rectangle {
	p := make([]float64, len(d.Params()))
	d.Draw(k.Rand(), w, h, p)
	return d.Part(p)
}

func TestProbabilities(t *testing.T) {
	const n = 20000
	for _, p := range []float64{0.2, 0.5, 0.8, 1} {
		for _, stage := range []pipeline.Drawer{
			Flip{P: p}, Grayscale{P: p}, GaussianBlur{P: p}, ColorJitter{P: p, Hue: 0.1}, Solarize{P: p}, Cutout{P: p}, Sobel{P: p},
			GaussianNoise{P: p},
		} {
			on := 0
			draws("p", n, func(k pipeline.Key) { on += int(drawn(stage, k, 32, 32)["on"]) })
			near(t, fmt.Sprintf("%T", stage), on, n, p)
		}
	}
}

func TestJitterRanges(t *testing.T) {
	const n = 20000
	c := ColorJitter{P: 0.8, Brightness: 0.4, Contrast: 1.2, Saturation: 0.8, Hue: 0.2}
	var brightness, contrast, saturation, hue []float64
	orders := map[string]int{}
	draws("jitter", n, func(k pipeline.Key) {
		j := drawn(c, k, 32, 32)
		brightness, contrast = append(brightness, j["brightness"]), append(contrast, j["contrast"])
		saturation, hue = append(saturation, j["saturation"]), append(hue, j["hue"])
		orders[fmt.Sprint(j["order"])]++
	})
	spread(t, "brightness", brightness, 0.6, 1.4)
	spread(t, "contrast", contrast, 0, 2.2)
	spread(t, "saturation", saturation, 0.2, 1.8)
	spread(t, "hue", hue, -0.2, 0.2)
	if len(orders) != 24 {
		t.Errorf("%d orders of the four operations, want 24", len(orders))
	}
	for o, got := range orders {
		near(t, "an order of the four operations", got, n, 1./24)
		for _, digit := range "1234" {
			if strings.Count(o, string(digit)) != 1 {
				t.Errorf("order %s is no permutation of 1234", o)
			}
		}
	}
}

func TestAddedBrightnessRange(t *testing.T) {
	var brightness, contrast []float64
	c := ColorJitter{P: 1, Brightness: 0.8, Contrast: 0.8, AddBrightness: true, Style: TensorFlow}
	draws("jitter", 20000, func(k pipeline.Key) {
		j := drawn(c, k, 32, 32)
		brightness, contrast = append(brightness, j["brightness"]), append(contrast, j["contrast"])
	})
	spread(t, "added brightness", brightness, -0.8, 0.8)
	spread(t, "contrast", contrast, 0.2, 1.8)
}

func TestRotations(t *testing.T) {
	const n = 20000
	turns := map[float64]int{}
	draws("rotate", n, func(k pipeline.Key) { turns[drawn(Rotate{}, k, 32, 32)["degrees"]]++ })
	for _, degrees := range []float64{0, 90, 180, 270} {
		near(t, fmt.Sprintf("%g degrees", degrees), turns[degrees], n, 0.25)
	}
}

// The centre of a cutout may be any pixel, so what lies in the image is smaller at the borders.
func TestCutoutDistribution(t *testing.T) {
	const n, w, h = 20000, 600, 400
	var share []float64
	sides, tops := 0, 0
	draws("cutout", n, func(k pipeline.Key) {
		p := drawn(Cutout{P: 1, Scale: [2]float64{0.01, 0.06}}, k, w, h) // squares of 49 to 120 pixels
		b := rect(int(p["x"]), int(p["y"]), int(p["w"]), int(p["h"]))
		if b.Empty() || !b.In(image.Rect(0, 0, w, h)) {
			t.Fatalf("%v is not in an image of %d x %d", b, w, h)
		}
		if 0 < b.Min.X && b.Max.X < w && 0 < b.Min.Y && b.Max.Y < h {
			if b.Dx() != b.Dy() {
				t.Fatalf("%v is no square", b)
			}
			share = append(share, float64(b.Dx()*b.Dy())/(w*h))
		}
		if b.Min.X == 0 || b.Max.X == w {
			sides++
		}
		if b.Min.Y == 0 || b.Max.Y == h {
			tops++
		}
	})
	if lo, hi := slices.Min(share), slices.Max(share); math.Abs(lo-0.01) > 0.0005 || math.Abs(hi-0.06) > 0.0005 {
		t.Errorf("shares of the area from %.4f to %.4f, want 0.01 to 0.06", lo, hi)
	}
	// The mean side is 89.4, and a square is cut off at the left where its centre is less than half of that away.
	near(t, "cut off at the left or at the right", sides, n, 89.4/w)
	near(t, "cut off at the top or at the bottom", tops, n, 89.4/h)
	usual := drawn(Cutout{P: 1}, pipeline.Key{Seed: 20, ID: 1}, 32, 32)
	if max(usual["w"], usual["h"]) > 16 {
		t.Errorf("the default covers %v, want at most 16 by 16 of 32 by 32", usual)
	}
}

func TestNoiseSeeds(t *testing.T) {
	seeds := map[float64]bool{}
	var all []float64
	draws("noise", 20000, func(k pipeline.Key) {
		seed := drawn(GaussianNoise{P: 1}, k, 32, 32)["seed"]
		if seed != math.Trunc(seed) {
			t.Fatalf("seed %g is no whole number", seed)
		}
		seeds[seed] = true
		all = append(all, seed)
	})
	spread(t, "seed", all, 0, 1<<53)
	if len(seeds) != len(all) {
		t.Errorf("%d seeds in %d draws", len(seeds), len(all))
	}
}

func TestBlurRange(t *testing.T) {
	var usual, own []float64
	draws("blur", 20000, func(k pipeline.Key) {
		usual = append(usual, drawn(GaussianBlur{P: 0.5}, k, 32, 32)["sigma"])
		own = append(own, drawn(GaussianBlur{P: 0.5, Sigma: [2]float64{3, 5}}, k, 32, 32)["sigma"])
	})
	spread(t, "default sigma", usual, 0.1, 2)
	spread(t, "sigma", own, 3, 5)
}

func TestCropDistribution(t *testing.T) {
	const n, w, h = 20000, 2000, 1600 // large, so that rounding to pixels does not show; most draws fit
	c := RandomResizedCrop{Size: 32, Scale: [2]float64{0.1, 0.5}}
	var area, logRatio, left, top []float64
	draws("crop", n, func(k pipeline.Key) {
		b := drawnBox(c, k, w, h)
		if b.Empty() || !b.In(image.Rect(0, 0, w, h)) {
			t.Fatalf("%v reaches out of %d x %d", b, w, h)
		}
		area = append(area, float64(b.Dx()*b.Dy())/(w*h))
		logRatio = append(logRatio, math.Log(float64(b.Dx())/float64(b.Dy())))
		left, top = append(left, float64(b.Min.X)/float64(w-b.Dx())), append(top, float64(b.Min.Y)/float64(h-b.Dy()))
	})
	spread(t, "area", area, 0.0995, 0.5005)
	spread(t, "log of the ratio", logRatio, math.Log(0.7487), math.Log(1.3356))
	spread(t, "left edge", left, 0, 1)
	spread(t, "top edge", top, 0, 1)
}

// The default scale must reach both ends, and crops of a small image its corners.
func TestCropDefaults(t *testing.T) {
	smallest, largest := 1.0, 0.0
	draws("crop", 20000, func(k pipeline.Key) {
		b := drawnBox(RandomResizedCrop{Size: 32}, k, 640, 640)
		share := float64(b.Dx()*b.Dy()) / (640 * 640)
		smallest, largest = min(smallest, share), max(largest, share)
	})
	if math.Abs(smallest-0.08) > 0.002 || largest < 0.98 {
		t.Errorf("areas from %.3f to %.3f, want 0.08 to nearly 1", smallest, largest)
	}
}

// Where no draw fits, torchvision takes the largest central part of an allowed ratio.
func TestCropFallback(t *testing.T) {
	for _, c := range []struct {
		w, h           int
		x, y, cw, ch   int
		lo, hi, sc, sd float64
	}{
		{w: 1000, h: 10, x: 493, y: 0, cw: 13, ch: 10, lo: 3. / 4, hi: 4. / 3, sc: 0.9, sd: 1},
		{w: 10, h: 1000, x: 0, y: 493, cw: 10, ch: 13, lo: 3. / 4, hi: 4. / 3, sc: 0.9, sd: 1},
		{w: 1, h: 1, x: 0, y: 0, cw: 1, ch: 1, lo: 3. / 4, hi: 4. / 3, sc: 0.08, sd: 0.1},
	} {
		crop := RandomResizedCrop{Size: 8, Scale: [2]float64{c.sc, c.sd}, Ratio: [2]float64{c.lo, c.hi}}
		b := drawnBox(crop, pipeline.Key{Seed: 1}, c.w, c.h)
		if b != rect(c.x, c.y, c.cw, c.ch) {
			t.Errorf("%d x %d: %v, want %d x %d at (%d, %d)", c.w, c.h, b, c.cw, c.ch, c.x, c.y)
		}
	}
}

// The draws of a key are part of what a seed promises: these were made once and must come out on every machine, in every version.
func TestDrawsStay(t *testing.T) {
	for _, c := range []struct {
		stage pipeline.Drawer
		want  [3][]float64
	}{
		{RandomResizedCrop{Size: 224}, [3][]float64{{40, 129, 141, 158}, {104, 52, 340, 305}, {23, 20, 371, 316}}},
		{Flip{P: 0.5}, [3][]float64{{1}, {0}, {1}}},
		{ColorJitter{P: 0.8, Brightness: 0.8, Contrast: 0.8, Saturation: 0.8, Hue: 0.2}, [3][]float64{
			{1, 0.4429073607864632, 1.0626180570336188, 0.6441003720390397, -0.07076557270721939, 2341},
			{1, 1.5375968647890172, 0.5503078996310695, 0.7874731446375394, 0.14058112732746436, 4123},
			{1, 1.6704545390047951, 1.6280002275820615, 0.7818433554699323, -0.16824407548590786, 4312}}},
		{Grayscale{P: 0.2}, [3][]float64{{0}, {0}, {0}}},
		{GaussianBlur{P: 0.5}, [3][]float64{{0, 0.907270526195463}, {1, 1.8523039436931226}, {0, 0.8866789097083452}}},
	} {
		for id, want := range c.want {
			name := reflect.TypeOf(c.stage).Name()
			got := make([]float64, len(c.stage.Params()))
			c.stage.Draw(pipeline.Key{Seed: 1, Stage: name, Epoch: 2, ID: uint64(id), View: 1}.Rand(), 500, 375, got)
			if !slices.Equal(got, want) {
				t.Errorf("%s draws %v for image %d, want %v", name, got, id, want)
			}
		}
	}
}
