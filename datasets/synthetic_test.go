package datasets

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image/jpeg"
	"slices"
	"strings"
	"testing"
)

// TestSyntheticGolden pins every byte: a change here changes all digests of runs on the procedural set, so it must come
// with a new syntheticVersion.
func TestSyntheticGolden(t *testing.T) {
	h := sha256.New()
	for _, spec := range []string{
		"synthetic:n=40", "synthetic:n=40#test", "synthetic:n=20,size=96,seed=7", "synthetic:n=10,size=21",
	} {
		for _, p := range pictures(t, openSpec(t, spec)) {
			h.Write([]byte(p.key + p.bytes))
		}
	}
	const want = "52f6af649721d3cb069d20b65fa346830264db33e6b7e69d85ff6e3efd0e3375"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("SHA-256 %s, want %s", got, want)
	}
}

func TestSyntheticDefaults(t *testing.T) {
	train, test := openSpec(t, "synthetic"), openSpec(t, "synthetic#test")
	if train.Len() != 20000 || test.Len() != 2000 || !slices.IsSorted(train.Classes()) || len(train.Classes()) != 10 {
		t.Errorf("%d and %d images of %q", train.Len(), test.Len(), train.Classes())
	}
	if train.Fingerprint() != openSpec(t, "synthetic:n=20000,size=32,seed=1#train").Fingerprint() {
		t.Error("the defaults are not those of the documentation")
	}
	if train.Fingerprint() == test.Fingerprint() {
		t.Error("train and test have one fingerprint")
	}
}

// TestSyntheticImages compares sets that must and must not agree, and counts labels.
func TestSyntheticImages(t *testing.T) {
	base := pictures(t, openSpec(t, "synthetic:n=30"))
	if longer := pictures(t, openSpec(t, "synthetic:n=50")); !slices.Equal(base, longer[:30]) {
		t.Error("an image depends on the number of images")
	}
	seen := map[string]bool{}
	for _, spec := range []string{"synthetic:n=30", "synthetic:n=30,seed=2", "synthetic:n=30#test", "synthetic:n=30,size=33"} {
		count := map[int32]int{}
		for _, p := range pictures(t, openSpec(t, spec)) {
			if seen[p.bytes] {
				t.Errorf("%s: %s occurs twice", spec, p.key)
			}
			seen[p.bytes] = true
			count[p.label]++
			if !strings.Contains(p.key, "/"+figures[p.label].name+"/") {
				t.Errorf("%s has label %d", p.key, p.label)
			}
		}
		if len(count) != len(figures) || count[0] != 3 {
			t.Errorf("%s: labels %v", spec, count)
		}
	}
	// Too large to keep: made anew at each read.
	large := &synthetic{Synthetic: Synthetic{N: 30, Size: 32, Seed: 1, Split: "train"}}
	if got := pictures(t, large); !slices.Equal(got, base) {
		t.Error("images differ without the cache")
	}
}

// decodeAll returns pixels and labels.
func decodeAll(t *testing.T, spec string) (pixels [][]int32, labels []int32) {
	t.Helper()
	for _, p := range pictures(t, openSpec(t, spec)) {
		m, err := jpeg.Decode(bytes.NewReader([]byte(p.bytes)))
		if err != nil {
			t.Fatal(err)
		}
		var v []int32
		for y := range m.Bounds().Dy() {
			for x := range m.Bounds().Dx() {
				r, g, b, _ := m.At(x, y).RGBA()
				v = append(v, int32(r>>8), int32(g>>8), int32(b>>8))
			}
		}
		pixels, labels = append(pixels, v), append(labels, p.label)
	}
	return pixels, labels
}

// TestSyntheticGivesNothingAway tries to tell the classes by what must not tell them: mean colour, and the place and spread of
// what stands out. The bound on the nearest image holds for so few images and pixels as they are; see Synthetic for more.
func TestSyntheticGivesNothingAway(t *testing.T) {
	train, trainLabels := decodeAll(t, "synthetic:n=1000,size=24")
	test, testLabels := decodeAll(t, "synthetic:n=250,size=24#test")
	for _, c := range []struct {
		name    string
		feature func(pixels []int32) []float64
		most    float64
	}{
		{"mean colour", meanColour, 0.18},
		{"position", centroid, 0.18},
	} {
		if a := nearestCentroid(train, trainLabels, test, testLabels, c.feature); a > c.most {
			t.Errorf("%s tells the class of %.3f of the images, want at most %.2f", c.name, a, c.most)
		}
	}
	right := 0 // nearest neighbour
	for i, p := range test {
		best, label := int64(1)<<62, int32(0)
		for j, q := range train {
			d := int64(0)
			for k := range p {
				d += int64((p[k] - q[k]) * (p[k] - q[k]))
			}
			if d < best {
				best, label = d, trainLabels[j]
			}
		}
		if label == testLabels[i] {
			right++
		}
	}
	if a := float64(right) / float64(len(test)); a > 0.35 {
		t.Errorf("raw pixels tell the class of %.3f of the images, want at most 0.35", a)
	}
}

func meanColour(pixels []int32) []float64 {
	f := make([]float64, 3)
	for i, v := range pixels {
		f[i%3] += float64(v) / float64(len(pixels)/3)
	}
	return f
}

// centroid is the centre of mass of what differs from the mean colour.
func centroid(pixels []int32) []float64 {
	const width = 24
	mean := meanColour(pixels)
	var x, y, mass float64
	for i, v := range pixels {
		d := float64(v) - mean[i%3]
		x += d * d * float64(i/3%width)
		y += d * d * float64(i/3/width)
		mass += d * d
	}
	return []float64{x / mass, y / mass}
}

// nearestCentroid is the accuracy of the classifier that takes the class whose mean feature is nearest.
func nearestCentroid(train [][]int32, trainLabels []int32, test [][]int32, testLabels []int32,
	feature func([]int32) []float64) float64 {
	var sum [len(figures)][]float64
	for i, p := range train {
		f := feature(p)
		if sum[trainLabels[i]] == nil {
			sum[trainLabels[i]] = make([]float64, len(f))
		}
		for k := range f {
			sum[trainLabels[i]][k] += f[k] / float64(len(train)/len(figures))
		}
	}
	right := 0
	for i, p := range test {
		f := feature(p)
		best, label := 0.0, -1
		for c := range sum {
			d := 0.0
			for k := range f {
				d += (f[k] - sum[c][k]) * (f[k] - sum[c][k])
			}
			if label < 0 || d < best {
				best, label = d, c
			}
		}
		if int32(label) == testLabels[i] {
			right++
		}
	}
	return float64(right) / float64(len(test))
}

// TestSine compares the table with its symmetries and with one identity.
func TestSine(t *testing.T) {
	for a := -600; a < 600; a++ {
		if sine(a) != sine(a+turn) || sine(a) != -sine(-a) || sine(turn/2-a) != sine(a) {
			t.Fatalf("sine(%d) breaks a symmetry", a)
		}
		if r := sine(a)*sine(a) + cosine(a)*cosine(a) - one*one; abs(r) > one*2 {
			t.Fatalf("sine and cosine of %d are off by %d", a, r)
		}
	}
}

func BenchmarkSynthetic(b *testing.B) {
	for _, size := range []int{32, 224} {
		d := &synthetic{Synthetic: Synthetic{Size: size, Seed: 1, Split: "train"}}
		pixels := make([]byte, 3*size*size)
		var image []byte
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				image = d.make(i, image[:0], pixels)
			}
		})
	}
}
