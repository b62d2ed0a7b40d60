package onnx

import (
	"encoding/binary"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// This file writes the messages of onnx.proto that a model needs; each function is one message, each number a field of
// it.

// Opset 18 is the oldest in which all reductions take their axes as an input; any newer runtime reads it.
const (
	irVersion    = 8
	opsetVersion = 18
	producer     = "goclr"
)

// An elementType is a value of TensorProto.DataType.
type elementType int64

const (
	float32Type elementType = 1
	uint8Type   elementType = 2
	int64Type   elementType = 7
)

// The values of AttributeProto.AttributeType.
const (
	attributeFloat  = 1
	attributeInt    = 2
	attributeStr    = 3
	attributeFloats = 6
	attributeInts   = 7
)

// A message is an encoded protobuf message.
type message []byte

func (m message) str(field protowire.Number, s string) message {
	return protowire.AppendString(protowire.AppendTag(m, field, protowire.BytesType), s)
}

func (m message) bytes(field protowire.Number, b []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), b)
}

func (m message) int(field protowire.Number, v int64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), uint64(v))
}

func (m message) float(field protowire.Number, v float32) message {
	return protowire.AppendFixed32(protowire.AppendTag(m, field, protowire.Fixed32Type), math.Float32bits(v))
}

// An attribute is an AttributeProto.
type attribute message

func floatAttr(name string, v float64) attribute {
	return attribute(message{}.str(1, name).float(2, float32(v)).int(20, attributeFloat))
}

func intAttr(name string, v int) attribute {
	return attribute(message{}.str(1, name).int(3, int64(v)).int(20, attributeInt))
}

func strAttr(name, v string) attribute {
	return attribute(message{}.str(1, name).str(4, v).int(20, attributeStr))
}

func intsAttr(name string, v ...int) attribute {
	m := message{}.str(1, name)
	for _, i := range v {
		m = m.int(8, int64(i))
	}
	return attribute(m.int(20, attributeInts))
}

func floatsAttr(name string, v ...float64) attribute {
	m := message{}.str(1, name)
	for _, f := range v {
		m = m.float(7, float32(f))
	}
	return attribute(m.int(20, attributeFloats))
}

// An operation is a NodeProto: an operator applied to named values. The default domain is "". An optional input left out is
// "" too, and so is the name of an operation that needs none.
type operation struct {
	domain, op      string
	name            string
	inputs, outputs []string
	attributes      []attribute
}

func (o operation) message() message {
	var m message
	for _, name := range o.inputs {
		m = m.str(1, name)
	}
	for _, name := range o.outputs {
		m = m.str(2, name)
	}
	if o.name != "" {
		m = m.str(3, o.name)
	}
	m = m.str(4, o.op)
	for _, a := range o.attributes {
		m = m.bytes(5, a)
	}
	if o.domain != "" {
		m = m.str(7, o.domain)
	}
	return m
}

// A constant is a TensorProto, stored as raw little-endian data.
type constant struct {
	name    string
	element elementType
	shape   []int
	raw     []byte
}

func (c constant) message() message { return c.header().bytes(9, c.raw) }

// header is all of the message but the data.
func (c constant) header() message {
	var m message
	for _, d := range c.shape {
		m = m.int(1, int64(d))
	}
	return m.int(2, int64(c.element)).str(8, c.name)
}

func rawInts(v []int) []byte {
	var b []byte
	for _, i := range v {
		b = binary.LittleEndian.AppendUint64(b, uint64(i))
	}
	return b
}

func rawFloats(v []float32) []byte {
	var b []byte
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}

// A port is a ValueInfoProto: an input or output of the model. A dimension of anyRows is settled by each run.
type port struct {
	name    string
	element elementType
	shape   []int
}

const anyRows = -1

func (p port) message() message {
	var shape message
	for _, d := range p.shape {
		if d == anyRows {
			shape = shape.bytes(1, message{}.str(2, "rows"))
		} else {
			shape = shape.bytes(1, message{}.int(1, int64(d)))
		}
	}
	tensor := message{}.int(1, int64(p.element)).bytes(2, shape)
	return message{}.str(1, p.name).bytes(2, message{}.bytes(1, tensor))
}

// encodeModel is the ModelProto with the given graph.
func encodeModel(operations []operation, constants []constant, inputs, outputs []port) []byte {
	g := encodeGraph("step", operations, constants, inputs, outputs)
	m := message{}.int(1, irVersion).str(2, producer).bytes(7, g).bytes(8, opset("", opsetVersion))
	if slices.ContainsFunc(operations, func(o operation) bool { return o.domain == domain }) {
		m = m.bytes(8, opset(domain, 1))
	}
	return m
}

// opset is the OperatorSetIdProto of a domain.
func opset(domain string, version int64) message { return message{}.str(1, domain).int(2, version) }

// encodeGraph is a GraphProto.
func encodeGraph(name string, operations []operation, constants []constant, inputs, outputs []port) message {
	var g message
	for _, o := range operations {
		g = g.bytes(1, o.message())
	}
	g = g.str(2, name)
	for _, c := range constants {
		g = g.bytes(5, c.message())
	}
	for _, p := range inputs {
		g = g.bytes(11, p.message())
	}
	for _, p := range outputs {
		g = g.bytes(12, p.message())
	}
	return g
}
