package datasets

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// keysByClass returns the sorted keys of the images of each class.
func keysByClass(t *testing.T, d Dataset) map[int32][]string {
	t.Helper()
	keys := map[int32][]string{}
	for _, p := range pictures(t, d) {
		keys[p.label] = append(keys[p.label], p.key)
	}
	for _, list := range keys {
		slices.Sort(list)
	}
	return keys
}

func balanced(t *testing.T, d Dataset, fraction float64, seed uint64) *Subset {
	t.Helper()
	s, err := Balanced(t.Context(), d, fraction, seed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// classMembers are 100 images of class a, 30 of b and 1 of c.
func classMembers() []picture {
	var names []string
	for class, n := range map[string]int{"a": 100, "b": 30, "c": 1} {
		for i := range n {
			names = append(names, fmt.Sprintf("%s/%d.jpg", class, i))
		}
	}
	slices.Sort(names)
	return members(names...)
}

func TestBalanced(t *testing.T) {
	d := tarDataset(t, classMembers())
	var smaller map[int32][]string
	for _, c := range []struct {
		fraction float64
		want     [3]int
	}{{0.01, [3]int{1, 1, 1}}, {0.07, [3]int{7, 3, 1}}, {0.1, [3]int{10, 3, 1}}, {0.5, [3]int{50, 15, 1}}, {1, [3]int{100, 30, 1}}} {
		part := balanced(t, d, c.fraction, 1)
		keys := keysByClass(t, part)
		for class, n := range c.want {
			if len(keys[int32(class)]) != n {
				t.Errorf("fraction %g: %d images of class %d, want %d", c.fraction, len(keys[int32(class)]), class, n)
			}
			for _, key := range smaller[int32(class)] {
				if !slices.Contains(keys[int32(class)], key) {
					t.Errorf("fraction %g lacks %s of the smaller one", c.fraction, key)
				}
			}
		}
		if want := c.want[0] + c.want[1] + c.want[2]; part.Len() != want {
			t.Errorf("fraction %g: %d images, want %d", c.fraction, part.Len(), want)
		}
		smaller = keys
	}
	tenth := balanced(t, d, 0.1, 1)
	if first := pictures(t, tenth)[:10]; outline(first) == outline(pictures(t, d)[:10]) {
		t.Error("the first images of a class were taken, whatever the seed")
	}
	other := balanced(t, d, 0.1, 2)
	if outline(pictures(t, other)) == outline(pictures(t, tenth)) {
		t.Error("another seed chooses the same images")
	}
	prints := []string{d.Fingerprint(), tenth.Fingerprint(), other.Fingerprint(), balanced(t, d, 0.2, 1).Fingerprint()}
	slices.Sort(prints)
	if len(slices.Compact(prints)) != 4 {
		t.Errorf("the fingerprint does not tell the choice: %q", prints)
	}
}

// TestBalancedKnowsImagesByKey: the choice is the same in any order, in shards, and from a dataset that has to read every image.
func TestBalancedKnowsImagesByKey(t *testing.T) {
	list := classMembers()
	want := keysByClass(t, balanced(t, tarDataset(t, list), 0.1, 1))
	shuffled := slices.Clone(list)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(list), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	dir := t.TempDir() + "/shards"
	if _, err := Ingest(t.Context(), tarDataset(t, shuffled), dir, IngestOptions{Check: accept}); err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]Dataset{
		"another order":      tarDataset(t, shuffled),
		"shards":             openSpec(t, dir),
		"a dataset of yours": struct{ Dataset }{tarDataset(t, list)},
	} {
		if got := keysByClass(t, balanced(t, d, 0.1, 1)); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestDescribe: what a dataset tells of an image without reading it is what Read says.
func TestDescribe(t *testing.T) {
	dir := t.TempDir() + "/shards"
	if _, err := Ingest(t.Context(), tarDataset(t, classMembers()), dir, IngestOptions{Check: accept}); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, m := range classMembers() {
		writeTemp(t, folder, m.key, []byte(m.bytes))
	}
	cifar := writeTemp(t, "", "cifar.tar", tarBytes(t, cifarFiles(3)))
	for name, d := range map[string]Dataset{
		"tar": tarDataset(t, classMembers()), "folder": openSpec(t, folder), "shards": openSpec(t, dir),
		"CIFAR": openSpec(t, cifar+"#test"), "synthetic": openSpec(t, "synthetic:n=20,size=8"),
	} {
		if _, ok := d.(describer); !ok {
			t.Errorf("%s: %T is no describer", name, d)
			continue
		}
		s := pipeline.NewSample(t.Context(), pipeline.Key{})
		for i, want := range pictures(t, d) {
			if err := describe(t.Context(), d, i, s); err != nil || s.Key != want.key || s.Label != want.label {
				t.Errorf("%s: image %d is %s of class %d (%v), Read says %s of class %d", name, i, s.Key, s.Label, err, want.key, want.label)
			}
		}
	}
}

func TestBalancedRefuses(t *testing.T) {
	d := tarDataset(t, classMembers())
	for _, fraction := range []float64{0, -0.1, 1.01} {
		if _, err := Balanced(t.Context(), d, fraction, 1); err == nil || !strings.Contains(err.Error(), "above 0 and at most 1") {
			t.Errorf("fraction %g: %v", fraction, err)
		}
	}
	if _, err := Balanced(t.Context(), tarDataset(t, members("1.jpg")), 0.1, 1); err == nil || !strings.Contains(err.Error(), "no classes") {
		t.Errorf("images without classes: %v", err)
	}
	if _, err := Balanced(t.Context(), unlabelled{d}, 0.1, 1); err == nil || !strings.Contains(err.Error(), "a/0.jpg has label -1") {
		t.Errorf("an image without a label: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Balanced(ctx, d, 0.1, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: %v", err)
	}
}

// unlabelled has classes, but no image of one.
type unlabelled struct{ Dataset }

func (d unlabelled) Read(ctx context.Context, i int, s *pipeline.Sample) error {
	err := d.Dataset.Read(ctx, i, s)
	s.Label = -1
	return err
}
