package cuda

// A precision says of which type the elements of images are, and how products of matrices and convolutions are computed. All sums
// are taken in float32.
type precision int

// tensorCoreMajor is the first compute capability, by its major number, whose tensor cores take tf32 and bf16.
const tensorCoreMajor = 8

// The precisions.
const (
	fp32 precision = iota // all in float32
	tf32                  // float32, whose products are those of tensor cores: 10 bits of mantissa
	bf16                  // images of bfloat16; heads as in tf32
)
