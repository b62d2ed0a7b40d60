package onnx

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

// A Description tells whoever finds an exported model what it is.
type Description struct {
	Version  string            // of the program that wrote it
	Doc      string            // in sentences
	Metadata map[string]string // for programs, read as custom metadata of a session
}

// The names of an exported model's input and output.
const (
	exportedInput  = "images"
	exportedOutput = "features"
)

// ErrTooLarge says that a model does not fit into one ONNX file: protobuf ends at 2 GiB.
var ErrTooLarge = errors.New("too large for an ONNX file, which holds less than 2 GiB")

// Export writes Features of a step with its weights as an ONNX model of standard operators, for any runtime of opset 18. Its
// input "images", uint8 [rows, H, W, 3], are the bytes that Graph.Image takes, as many as the caller likes; its output
// "features" is float32 [rows, F]. Weights keep their names. Tensors that Features does not need are ignored; one that is
// missing or has another shape is an error that names it. What is written before an error is no model.
func Export(w io.Writer, s *graph.Step, weights backends.Weights, d Description) error {
	if s.Features == nil {
		return errors.New("export: the step has no Features")
	}
	encoder := &graph.Step{Graph: s.Graph, Features: s.Features}
	body, err := exportedGraph(encoder)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	tensors := encoder.Tensors()
	size := len(body)
	for _, n := range tensors {
		size += len(initializer(n)) + 4*n.Size()
	}
	head := message{}.int(1, irVersion).str(2, producer).str(3, d.Version).str(6, d.Doc)
	tail := message{}.bytes(8, opset("", opsetVersion))
	for _, key := range slices.Sorted(maps.Keys(d.Metadata)) {
		tail = tail.bytes(14, message{}.str(1, key).str(2, d.Metadata[key]))
	}
	head = protowire.AppendVarint(protowire.AppendTag(head, 7, protowire.BytesType), uint64(size))
	if total := len(head) + size + len(tail); total > math.MaxInt32 {
		return fmt.Errorf("export: a model of %.1f GB is %w", float64(total)/1e9, ErrTooLarge)
	}
	values, err := backends.Match(encoder, weights)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	// Weights are written one by one: messages inside of messages would hold several copies of them all.
	out := bufio.NewWriterSize(w, 1<<20)
	if _, err := out.Write(slices.Concat(head, body)); err != nil {
		return err
	}
	for i, n := range tensors {
		if _, err := out.Write(initializer(n)); err != nil {
			return err
		}
		if err := binary.Write(out, binary.LittleEndian, values[i]); err != nil {
			return err
		}
	}
	if _, err := out.Write(tail); err != nil {
		return err
	}
	return out.Flush()
}

// exportedGraph is the GraphProto of the features, complete but for the weights.
func exportedGraph(s *graph.Step) (message, error) {
	l := newLowerer()
	var image port
	for _, n := range s.Graph.Reach(s.Features) {
		switch n.Op {
		case graph.OpImage:
			image = port{exportedInput, uint8Type, []int{anyRows, n.Shape[2], n.Shape[3], 3}}
			l.values[n] = l.image(n, exportedInput)
		case graph.OpParam, graph.OpState, graph.OpSlot:
			l.values[n] = value(n.Name)
		default:
			if err := l.apply(standard, n); err != nil {
				return nil, err
			}
		}
	}
	if image.name == "" {
		return nil, fmt.Errorf("%v depends on no image", s.Features)
	}
	l.name(l.values[s.Features], exportedOutput)
	features := port{exportedOutput, float32Type, []int{anyRows, s.Features.Shape[1]}}
	operations, constants := l.needed([]port{features})
	return encodeGraph("encoder", operations, constants, []port{image}, []port{features}), nil
}

// initializer is what stands before the numbers of a weight in a GraphProto: field 5, a TensorProto whose last field they are.
func initializer(n *graph.Node) []byte {
	size := 4 * n.Size()
	m := constant{name: n.Name, element: float32Type, shape: n.Shape}.header()
	m = protowire.AppendVarint(protowire.AppendTag(m, 9, protowire.BytesType), uint64(size))
	field := protowire.AppendTag(nil, 5, protowire.BytesType)
	field = protowire.AppendVarint(field, uint64(len(m)+size))
	return append(field, m...)
}
