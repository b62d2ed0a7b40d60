package stages

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// What a Fuser does at once must give the bytes of one stage after the other.
func TestFusedIsOneAfterTheOther(t *testing.T) {
	jitter := ColorJitter{P: 0.8, Brightness: 1.2, Contrast: 0.9, Saturation: 0.9, Hue: 0.3}
	reference := jitter
	reference.Style, reference.AddBrightness = TensorFlow, true
	firsts := []pipeline.Fuser{
		RandomResizedCrop{Size: 31}, RandomResizedCrop{Size: 20, Interpolation: Bicubic},
		RandomResizedCrop{Size: 24, Interpolation: BicubicTensorFlow, Style: TensorFlow},
		Resize{Size: 17}, CenterCrop{Size: 23, Interpolation: Bicubic}, jitter, reference,
	}
	nexts := []pipeline.Drawer{
		Flip{P: 0.5}, jitter, reference, Grayscale{P: 0.5}, Grayscale{P: 0.5, Style: TensorFlow}, Solarize{P: 0.7},
		Solarize{P: 0.7, Threshold: 200}, GaussianBlur{P: 0.5, Kernel: 5}, Cutout{P: 0.5},
	}
	r := rand.New(rand.NewPCG(1, 2))
	fused := map[int]int{}
	for id := range uint64(600) {
		first := firsts[r.IntN(len(firsts))]
		var next []pipeline.Drawer
		for range r.IntN(7) {
			next = append(next, nexts[r.IntN(len(nexts))])
		}
		m := pipeline.Image{W: 8 + r.IntN(60), H: 8 + r.IntN(60)}
		m.Pix = make([]byte, 3*m.W*m.H)
		for i := range m.Pix {
			m.Pix[i] = byte(r.Uint32())
		}
		n, with := first.Fuse(next)
		if n > len(next) {
			t.Fatalf("%T takes in %d of %d stages", first, n, len(next))
		}
		fused[n]++
		if n == 0 {
			continue
		}
		single, whole := newSample(m, pipeline.Key{}), newSample(m, pipeline.Key{})
		var params []float64
		for i, d := range append([]pipeline.Drawer{first}, next[:n]...) {
			p := make([]float64, len(d.Params()))
			d.Draw(pipeline.Key{ID: id, Seed: uint64(i)}.Rand(), single.Image.W, single.Image.H, p)
			params = append(params, p...)
			if err := d.ApplyWith(single, p); err != nil {
				t.Fatal(err)
			}
		}
		if err := with(whole, params); err != nil {
			t.Fatal(err)
		}
		if whole.Image.W != single.Image.W || !bytes.Equal(whole.Image.Pix, single.Image.Pix) {
			t.Fatalf("%+v with %+v at once gives other bytes, with the parameters %v", first, next[:n], params)
		}
	}
	if fused[1] < 50 || fused[2] < 20 || fused[3] < 5 {
		t.Errorf("stages taken in, and how often: %v; want more", fused)
	}
}

// A fuser takes in what it can and stops at the first stage that it cannot.
func TestWhatIsFused(t *testing.T) {
	flip, grey, jitter := Flip{P: 0.5}, Grayscale{P: 0.2}, ColorJitter{P: 0.8, Hue: 0.1}
	for _, c := range []struct {
		first pipeline.Fuser
		next  []pipeline.Drawer
		want  int
	}{
		{RandomResizedCrop{Size: 8}, nil, 0},
		{RandomResizedCrop{Size: 8}, []pipeline.Drawer{flip, flip}, 1},
		{RandomResizedCrop{Size: 8}, []pipeline.Drawer{grey, flip}, 0},
		{Resize{Size: 8}, []pipeline.Drawer{flip}, 1},
		{CenterCrop{Size: 8}, []pipeline.Drawer{flip}, 1},
		{jitter, []pipeline.Drawer{flip, grey}, 0},
		{jitter, []pipeline.Drawer{grey, Solarize{P: 0.5}, jitter, flip, grey}, 3},
	} {
		if n, _ := c.first.Fuse(c.next); n != c.want {
			t.Errorf("%T takes in %d of %T, want %d", c.first, n, c.next, c.want)
		}
	}
}
