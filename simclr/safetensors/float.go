package safetensors

import (
	"encoding/binary"
	"math"
)

// integers are the types that Decode leaves out.
var integers = []string{"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64"}

// A float is a type of which float32 holds every number.
type float struct {
	bytes int
	read  func([]byte) float32 // from the first bytes
}

var floats = map[string]float{
	"F32": {4, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }},
	"F16": {2, func(b []byte) float32 { return half(binary.LittleEndian.Uint16(b)) }},
	// bfloat16 is the upper half of a float32.
	"BF16": {2, func(b []byte) float32 { return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16) }},
}

// half is the number of an IEEE 754 binary16: 5 bits of exponent with bias 15, 10 of fraction.
func half(bits uint16) float32 {
	sign := uint32(bits&0x8000) << 16
	rest := uint32(bits&0x7fff) << 13
	if bits&0x7c00 == 0x7c00 { // infinity and NaN
		return math.Float32frombits(sign | 0x7f800000 | rest)
	}
	// Read with bias 127 it is 2^112 times too small, subnormal numbers included.
	return math.Float32frombits(sign | math.Float32bits(math.Float32frombits(rest)*0x1p112))
}
