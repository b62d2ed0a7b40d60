// Package backends defines what runs the SimCLR step: a Backend compiles a graph.Step into a Program, and a Program owns the
// weights.
//
// A backend registers itself in an init function, so a program chooses the ones it is built with by blank import and the one
// it uses by name:
//
//	import _ "github.com/goclr/goclr/backends/onnx"
//
//	b, err := backends.Open(ctx, "onnx", backends.Options{Device: "cpu"})
//
// Package backendtest holds the tests that every backend passes.
package backends

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/goclr/goclr/backends/graph"
)

// ErrUnsupported is returned by the optional methods of a Program: Backward, Gradients, SetGradients, Update, and Embed in mode
// Train.
var ErrUnsupported = errors.New("not supported by this backend")

// ErrNoGradients is returned by Gradients, SetGradients and Update where nothing has been added up.
var ErrNoGradients = errors.New("there are no gradients: call Backward first")

// A Backend runs steps on one device.
type Backend interface {
	// Compile prepares a step. All tensors of the program are zero until Load.
	Compile(ctx context.Context, s *graph.Step) (Program, error)
	// Info says what runs the step, for checkpoints: weights repeat to the bit only where Info is equal.
	Info() Info
	Close() error
}

// Info is what besides the plan decides the bits of trained weights.
type Info struct {
	Backend string `json:"backend"`
	Device  string `json:"device"`
	Library string `json:"library"` // name and version of what computes
	CPU     string `json:"cpu"`
	Threads int    `json:"threads"`
	// Provider is what computes beside the library's own code for the CPU, with its options; "" is nothing.
	Provider string `json:"provider,omitempty"`
	// Precision is that of Options; "" is "fp32".
	Precision string `json:"precision,omitempty"`
	// AnyOrder is that of Options: where it is set, weights never repeat to the bit.
	AnyOrder bool `json:"any_order,omitempty"`
}

// A Program is a compiled step with its weights. It is not safe for concurrent use, except for a Stager's Stage.
type Program interface {
	// Step runs forward, loss, backward and update on a batch of pairs (column views, two views a row), or of labelled images
	// (see graph.Graph.Labels) where the loss reads labels, and returns the metrics as they were before the update. After an
	// error the tensors are those before the step. When ctx ends, so does a step, between two operations: a GPU that was given
	// all of them at once still does them, and what it computes is dropped.
	Step(ctx context.Context, batch arrow.Record, lr float32) (Metrics, error)
	// Embed returns one vector for each view of the batch. In mode Eval a batch may be smaller than the compiled one.
	Embed(ctx context.Context, batch arrow.Record, m Mode) (Embeddings, error)

	// Backward, Gradients, SetGradients and Update are a Step in parts, for a loss over more than one batch: Embed all batches in
	// mode Train, differentiate the loss with respect to all vectors, call Backward for each batch, and Update once (gradient
	// caching, Gao et al. 2021). With one batch that is Step, up to rounding; with several, batch normalisation sees each batch by
	// itself. The tensors that Load, Save and Embed know change with Update only; Load and Step drop what was added up.

	// Backward adds to the gradients, given dEmbedding [rows, F], that of the loss with respect to the vectors of Embed in mode
	// Train, and moves the running statistics by this batch, as of Update. After an error all is as before.
	Backward(ctx context.Context, batch arrow.Record, dEmbedding []float32) error
	// Gradients returns a copy of what Backward has added up: a tensor for each parameter that the loss depends on, under its
	// name, in the order of graph.Step.Gradients.
	Gradients() (Weights, error)
	// SetGradients replaces them, for example by their sum over several machines. It takes what Gradients returns, in any order.
	// Tensors that are missing or have another shape are an error, and then nothing is changed.
	SetGradients(w Weights) error
	// Update takes the gradients for those of a step and clears them. After an error all is as before.
	Update(lr float32) error

	// Load sets the tensors of the step by name and ignores others. A Slot that w lacks becomes zero; any other
	// missing tensor, or one of another shape, is an error that names it, and then nothing is changed.
	Load(w Weights) error
	// Save returns a copy of all tensors, in graph order. A program that loads them takes the same steps to the bit.
	Save() (Weights, error)
	// Close frees what the program holds; calling it again does nothing. Other programs of the backend live on.
	Close() error
}

// A Stager is a Program that can take in a coming batch while it runs a step. Whether a Program is one depends on the device.
type Stager interface {
	Program
	// Stage copies to the device what a Step with this very record will read of it, and that Step does without copying it. What the
	// last two calls copied is kept until then, or Close. Stage may be called while another method runs, but not Stage or Close. It does
	// not retain the record, which must not change until the Step. After an error nothing is staged, and a Step copies its batch itself.
	Stage(ctx context.Context, batch arrow.Record) error
}

// Metrics are the scalars of one step.
type Metrics struct {
	Loss     float32 // mean over all views
	Accuracy float32 // share of views whose nearest other view is their positive, or with labels of those with the right class
	Spread   float32 // see graph.Graph.Spread: near 1 is healthy, 0 is collapsed; 0 too where the step has none
}

// Mode says where batch normalisation takes its statistics from.
type Mode int

// The modes of Embed.
const (
	Eval  Mode = iota // running statistics: the encoder's features, see graph.Step.Features
	Train             // the batch itself: the projections that the loss compares, see graph.Step.Project
)

// Embeddings are Rows vectors of Dim numbers, one after another; with two views a row, the views of a pair are neighbours.
type Embeddings struct {
	Rows, Dim int
	Data      []float32
}

// A Tensor is a named array of float32, row-major, in the layout of the graph.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// Weights are the tensors of a model.
type Weights []Tensor

// Find returns the tensor of the given name.
func (w Weights) Find(name string) (Tensor, bool) {
	i := slices.IndexFunc(w, func(t Tensor) bool { return t.Name == name })
	if i < 0 {
		return Tensor{}, false
	}
	return w[i], true
}

// Match returns for each tensor node of a step its values in w: what Program.Load takes. A missing Slot is nil, meaning zero.
func Match(s *graph.Step, w Weights) ([][]float32, error) {
	return match(s.Tensors(), w)
}

// MatchGradients returns for each gradient of a step its values in w: what Program.SetGradients takes.
func MatchGradients(d graph.Division, w Weights) ([][]float32, error) {
	nodes := make([]*graph.Node, len(d.Gradients))
	for i, g := range d.Gradients {
		nodes[i] = g.Param
	}
	return match(nodes, w)
}

func match(nodes []*graph.Node, w Weights) ([][]float32, error) {
	byName := make(map[string]Tensor, len(w))
	for _, t := range w {
		byName[t.Name] = t
	}
	values := make([][]float32, len(nodes))
	for i, n := range nodes {
		t, ok := byName[n.Name]
		if !ok {
			if n.Op == graph.OpSlot {
				continue
			}
			return nil, fmt.Errorf("weights have no tensor %q %v: they belong to another model; use the encoder, width and head they were trained with", n.Name, n.Shape)
		}
		if !slices.Equal(t.Shape, n.Shape) || len(t.Data) != n.Size() {
			return nil, fmt.Errorf("tensor %q is %v in the weights and %v in the model: use the encoder, width and head they were trained with", n.Name, t.Shape, n.Shape)
		}
		values[i] = t.Data
	}
	return values, nil
}

// Options choose how a backend runs. The zero value is a good choice on any machine.
type Options struct {
	// Device is where to compute: "cpu", or "cuda:N" for NVIDIA's GPU number N, of which "cuda" is the first. The default is
	// "cpu".
	Device string
	// Threads is the number of threads that share one operation. The default is the number of CPUs.
	Threads int
	// Library is the path of the shared library of a backend that loads one. The default is to search for it.
	Library string
	// Provider is the execution provider of ONNX Runtime that computes what it can instead of the CPU, such as "OpenVINO". The
	// default is that of Device.
	Provider string
	// ProviderOptions are settings of the execution provider, that of a device "cuda:N" included, under its own names.
	ProviderOptions map[string]string
	// Precision is that of products and of the tensors between them, where the device has a choice: "fp32"; "tf32", whose products
	// have 10 bits of mantissa; or "bf16", which keeps images between layers in 16 bits too. Weights, sums, statistics and losses are
	// float32 in all. The default is "fp32".
	Precision string
	// AnyOrder lets a GPU take sums in another order each time, where that is faster: a run does not repeat to the bit then. It is an
	// error where there is no such choice. The default is false.
	AnyOrder bool
	// Spin lets threads without work wait for it at full speed: faster where nothing else runs, and a burden where
	// something does. The default is that they sleep.
	Spin bool
	// Profile is the file for a trace of all operators of the training steps (where steps are taken in parts, those of Backward),
	// which Program.Close writes, and beside it the same name with .txt for their sums. The default is none.
	Profile string
	// StandardOperators makes a backend that has operators of its own for this device do without them: slower, and what they
	// are compared with. The default is false.
	StandardOperators bool
	// Warn is told what the user should know although the backend works. The default is nil.
	Warn func(message string)
}

// OpenFunc opens a backend; see Register.
type OpenFunc func(ctx context.Context, o Options) (Backend, error)

var registry = struct {
	sync.Mutex
	open map[string]OpenFunc
}{open: map[string]OpenFunc{}}

// Register makes a backend known to Open. Call it in an init function. It panics if the name is taken.
func Register(name string, open OpenFunc) {
	registry.Lock()
	defer registry.Unlock()
	if _, taken := registry.open[name]; taken {
		panic("backends: two backends are called " + name)
	}
	registry.open[name] = open
}

// Names returns the names of the backends in this program, sorted.
func Names() []string {
	registry.Lock()
	defer registry.Unlock()
	names := make([]string, 0, len(registry.open))
	for n := range registry.open {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Open opens the backend of the given name. An unknown name or device is an error that lists the known ones.
func Open(ctx context.Context, name string, o Options) (Backend, error) {
	registry.Lock()
	open := registry.open[name]
	registry.Unlock()
	if open == nil {
		return nil, fmt.Errorf("unknown backend %q: this program has %s", name, strings.Join(Names(), ", "))
	}
	b, err := open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", name, err)
	}
	return b, nil
}
