package gorgonia

import (
	"math"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
	_ "github.com/goclr/goclr/backends/reference" // the oracle
)

// twoNorms is a step whose residual sum is of two normalisations of one convolution, so that one dy is the gradient of both; they
// differ in eps. The gradients are kept. Each parameter has a Rate node of its own, and a ReLU's gradient is wanted beside its use by normalisation.
func twoNorms() *graph.Step {
	g := &graph.Graph{}
	var params []*graph.Node
	param := func(name string, shape ...int) *graph.Node {
		params = append(params, g.Param(name, shape...))
		return params[len(params)-1]
	}
	x := g.Image("views", 2*smallPairs, smallSize, smallSize, [3]float64{0.5, 0.5, 0.5}, [3]float64{0.3, 0.3, 0.3})
	x = g.Conv(x, param("conv", 5, 3, 3, 3), 1, 1)
	m := g.Moments(x)
	y := g.Add(g.Normalize(x, m, param("gamma1", 5), nil, nil, false, 1e-5),
		g.Normalize(x, m, param("gamma2", 5), nil, nil, false, 2))
	y = g.Conv(y, param("last", 5, 5, 1, 1), 1, 0)
	relu := g.Normalize(y, g.Moments(y), param("gamma3", 5), nil, nil, true, 1e-5)
	z := g.L2Normalize(g.AvgPool(relu))
	s := &graph.Step{Graph: g, Project: z, Loss: g.NTXent(z, 0.5), Accuracy: g.PairAccuracy(z), Spread: g.Spread(z)}
	s.Differentiate(params)
	for _, gradient := range s.Gradients {
		p := gradient.Param
		s.Updates = append(s.Updates, graph.Update{Target: p, Value: g.Descend(p, gradient.Value, g.Rate())},
			graph.Update{Target: g.State("gradient/"+p.Name, p.Shape...), Value: gradient.Value})
	}
	for _, n := range g.Nodes {
		if n.Op == graph.OpReLUGrad {
			s.Updates = append(s.Updates, graph.Update{Target: g.State("kept", n.Shape...), Value: n})
			break
		}
	}
	return s
}

// TestAgainstReference compares steps of shapes that models do not have.
func TestAgainstReference(t *testing.T) {
	for name, s := range map[string]*graph.Step{"two norms of one": twoNorms(), "small": smallStep()} {
		for kind, plain := range map[string]bool{"vector": false, "plain": true} {
			t.Run(name+" "+kind, func(t *testing.T) {
				r, err := backends.Open(t.Context(), "reference", backends.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer closeTest(t, r)
				got := compileTest(t, openTest(t, backends.Options{Threads: 2, StandardOperators: plain}), s)
				want := compileTest(t, r, s)
				stepTest(t, got, smallBatch(t, 1))
				stepTest(t, want, smallBatch(t, 1))
				wantNear(t, saveTest(t, got), saveTest(t, want), 1e-3)
			})
		}
	}
}

// wantNear allows errors relative to the largest element of a tensor.
func wantNear(t *testing.T, got, want backends.Weights, allowed float64) {
	t.Helper()
	for i, w := range want {
		largest, worst := 1e-30, 0.0
		for j, v := range w.Data {
			largest = max(largest, math.Abs(float64(v)))
			worst = max(worst, math.Abs(float64(got[i].Data[j])-float64(v)))
		}
		if !(worst <= allowed*largest) {
			t.Errorf("tensor %s is off by %.1e of its largest element", w.Name, worst/largest)
		}
	}
}

// TestWithoutUpdates takes a step that changes nothing, whole and in parts.
func TestWithoutUpdates(t *testing.T) {
	s := smallStep()
	s.Updates = nil
	p := compileTest(t, openTest(t, backends.Options{Threads: 1}), s)
	before := saveTest(t, p)
	stepTest(t, p, smallBatch(t, 1))
	dz := make([]float32, s.Project.Size())
	dz[0] = 1
	if err := p.Backward(t.Context(), smallBatch(t, 1), dz); err != nil {
		t.Fatal(err)
	}
	if w, err := p.Gradients(); err != nil || len(w) == 0 {
		t.Errorf("%d gradients (%v)", len(w), err)
	}
	if err := p.Update(smallRate); err != nil {
		t.Error(err)
	}
	wantSame(t, "tensors", saveTest(t, p), before)
}

// TestTwoImages compiles steps that read two batches at once.
func TestTwoImages(t *testing.T) {
	g := &graph.Graph{}
	image := func() *graph.Node {
		return g.Image("views", 4, 2, 2, [3]float64{}, [3]float64{1, 1, 1})
	}
	b := openTest(t, backends.Options{Threads: 1})
	_, err := b.Compile(t.Context(), &graph.Step{Graph: g, Features: g.Add(g.AvgPool(image()), g.AvgPool(image()))})
	wantError(t, err, "compile", "another image")
	logits := g.AvgPool(image())
	s := &graph.Step{Graph: g, Loss: g.CrossEntropy(logits, g.Labels(4, 3)), Accuracy: g.LabelAccuracy(logits, g.Labels(4, 3))}
	_, err = b.Compile(t.Context(), s)
	wantError(t, err, "compile", "other labels")
}

// TestPartialBatches evaluates fewer images, then more, then fewer: none leaves traces.
func TestPartialBatches(t *testing.T) {
	for kind, plain := range map[string]bool{"vector": false, "plain": true} {
		t.Run(kind, func(t *testing.T) {
			s := smallStep()
			p := compileTest(t, openTest(t, backends.Options{Threads: 2, StandardOperators: plain}), s)
			want := map[int][]float32{}
			for _, rows := range []int{smallRows, 1, smallRows, 2, 4, smallRows, 1} {
				e, err := p.Embed(t.Context(), viewsOf(t, uint64(rows), rows, 1, smallSize), backends.Eval)
				if err != nil || e.Rows != rows || len(e.Data) != rows*e.Dim {
					t.Fatalf("%d rows: %d (%v)", rows, e.Rows, err)
				}
				if want[rows] == nil {
					want[rows] = e.Data
				}
				for i, v := range e.Data {
					if !sameBits(v, want[rows][i]) {
						t.Fatalf("%d rows: number %d differs from the first time", rows, i)
					}
				}
			}
		})
	}
}
