// Package probe measures how good features are: a vote of nearest neighbours, and a linear classifier on frozen features. It
// needs features and labels only, wherever they come from.
package probe

import "math"

// Features are vectors of equal length with the ids and labels of the images they come from.
type Features struct {
	Dim    int
	IDs    []uint64
	Labels []int32   // -1: none
	Data   []float32 // Len rows of Dim numbers
}

// NewFeatures returns no features yet, with memory for n vectors of dim numbers.
func NewFeatures(n, dim int) *Features {
	return &Features{Dim: dim, IDs: make([]uint64, 0, n), Labels: make([]int32, 0, n), Data: make([]float32, 0, n*dim)}
}

// Len is the number of vectors.
func (f *Features) Len() int { return len(f.IDs) }

// Row is vector i, without a copy.
func (f *Features) Row(i int) []float32 { return f.Data[i*f.Dim : (i+1)*f.Dim : (i+1)*f.Dim] }

// Append adds vectors, copied.
func (f *Features) Append(ids []uint64, labels []int32, data []float32) {
	f.IDs = append(f.IDs, ids...)
	f.Labels = append(f.Labels, labels...)
	f.Data = append(f.Data, data...)
}

// classes is the number of classes that the labels need, 1 + the largest.
func classes(sets ...*Features) int {
	most := int32(-1)
	for _, f := range sets {
		for _, l := range f.Labels {
			most = max(most, l)
		}
	}
	return int(most) + 1
}

// unit returns the vectors divided by their lengths.
func (f *Features) unit() []float32 {
	out := make([]float32, len(f.Data))
	for i := range f.Len() {
		row := f.Row(i)
		scale := float32(1 / math.Max(math.Sqrt(float64(dot(row, row))), 1e-12))
		for j, v := range row {
			out[i*f.Dim+j] = v * scale
		}
	}
	return out
}

// dot is the inner product, in eight partial sums: a fixed order of additions that the compiler can overlap.
func dot(a, b []float32) float32 {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	b = b[:len(a)]
	for len(a) >= 8 {
		x, y := a[:8], b[:8]
		s0 += x[0] * y[0]
		s1 += x[1] * y[1]
		s2 += x[2] * y[2]
		s3 += x[3] * y[3]
		s4 += x[4] * y[4]
		s5 += x[5] * y[5]
		s6 += x[6] * y[6]
		s7 += x[7] * y[7]
		a, b = a[8:], b[8:]
	}
	for i, v := range a {
		s0 += v * b[i]
	}
	return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
}
