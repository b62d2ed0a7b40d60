package gorgonia

import (
	"cmp"
	"slices"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/gorgonia/internal/cpu"
	"github.com/goclr/goclr/backends/graph"
	"github.com/goclr/goclr/simclr"
)

var openOptions = backends.Options{Threads: 1}

// trainingTape plans a training step of a model, and allocates nothing.
func trainingTape(t *testing.T, encoder string, images, size int, memory *arena) *tape {
	t.Helper()
	m := simclr.DefaultModel()
	m.Encoder, m.ImageSize = encoder, size
	s, _, err := m.TrainStep(images, simclr.Optimizer{Name: "sgd", LearningRate: 1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	given := map[*graph.Node]*value{}
	elsewhere := &arena{device: memory.device}
	r := recipe{step: s, given: given, outputs: s.Outputs()[:len(s.Outputs())-len(s.Updates)]}
	for _, n := range s.Tensors() {
		given[n] = newValue(memory.device, elsewhere, 0, n.Shape)
	}
	for _, u := range s.Updates {
		r.stores = append(r.stores, store{u.Value, newValue(memory.device, elsewhere, 0, u.Target.Shape)})
	}
	tape, err := newTape(memory.device, memory, r)
	if err != nil {
		t.Fatal(err)
	}
	return tape
}

// TestMemoryOfOrder bounds what Gorgonia's order of operators costs beside that of the graph.
func TestMemoryOfOrder(t *testing.T) {
	for _, c := range []struct {
		name, encoder string
		images, size  int
	}{{"ResNet-18, 128 views of 32 px", "resnet18", 64, 32}, {"ResNet-50, 16 views of 224 px", "resnet50", 8, 224}} {
		t.Run(c.name, func(t *testing.T) {
			d := newCPU(t, cpu.Options{Threads: 1})
			defer closeTest(t, d)
			memory := &arena{device: d}
			tape := trainingTape(t, c.encoder, c.images, c.size, memory)
			gorgonias, least := tape.bytes, tape.atOnce(memory)
			slices.SortFunc(tape.operators, func(a, b *operator) int { return cmp.Compare(a.serial, b.serial) })
			for i, o := range tape.operators {
				o.index = i
			}
			tape.plan(memory)
			const mib = 1 << 20
			t.Logf("%.0f MiB in Gorgonia's order, with values of %.0f alive at once; %.0f MiB in the graph's, with %.0f",
				float64(gorgonias)/mib, float64(least)/mib, float64(tape.bytes)/mib, float64(tape.atOnce(memory))/mib)
			if float64(gorgonias) > 1.1*float64(tape.bytes) {
				t.Errorf("Gorgonia's order takes %d bytes, the graph's %d", gorgonias, tape.bytes)
			}
		})
	}
}

// atOnce is the largest sum of the bytes of values that are alive at once. An operand and what overwrites it count twice.
func (t *tape) atOnce(memory *arena) int {
	first, last := map[*value]int{}, map[*value]int{}
	for _, o := range t.operators {
		for _, v := range append(slices.Clone(o.operands), o.scratch) {
			if v == nil || v.memory != memory {
				continue
			}
			if _, ok := first[v]; !ok {
				first[v] = 0
				if v == o.scratch {
					first[v] = o.index
				}
			}
			last[v] = o.index
		}
		if o.result.memory == memory {
			first[o.result], last[o.result] = o.index, o.index
		}
	}
	for _, v := range t.results {
		last[v] = len(t.operators)
	}
	sums := make([]int, len(t.operators)+1)
	for v, from := range first {
		for i := from; i <= last[v]; i++ {
			sums[i] += aligned(v.bytes)
		}
	}
	return slices.Max(sums)
}
