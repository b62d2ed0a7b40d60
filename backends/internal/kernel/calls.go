//go:build cgo

package kernel

// #include "team.h"
//
// static int call_conv(const struct kernels *k, struct conv s, const void *x, const void *w, void *y, const void *t) { return k->conv(&s, x, w, y, t); }
// static int call_conv_grad_input(const struct kernels *k, struct conv s, const void *dy, const void *w, void *dx, const void *t) { return k->conv_grad_input(&s, dy, w, dx, t); }
// static int call_conv_grad_filter(const struct kernels *k, struct conv s, const void *x, const void *dy, void *dw, const void *t) { return k->conv_grad_filter(&s, x, dy, dw, t); }
// static int call_conv_pixels(const struct kernels *k, struct conv s, struct pixels x, const void *w, void *y, const void *t) { return k->conv_pixels(&s, &x, w, y, t); }
// static int call_conv_pixels_grad_filter(const struct kernels *k, struct conv s, struct pixels x, const void *dy, void *dw, const void *t) { return k->conv_pixels_grad_filter(&s, &x, dy, dw, t); }
// static int call_moments(const struct kernels *k, struct norm s, void *mean, void *variance, const void *t) { return k->moments(&s, mean, variance, t); }
// static int call_normalize(const struct kernels *k, struct norm s, void *y, const void *t) { return k->normalize(&s, y, t); }
// static int call_normalize_grad_params(const struct kernels *k, struct norm s, const void *dy, void *dgamma, void *dbeta, const void *t) { return k->normalize_grad_params(&s, dy, dgamma, dbeta, t); }
// static int call_normalize_grad_input(const struct kernels *k, struct norm s, const void *dy, const void *dgamma, const void *dbeta, void *dx, const void *t) { return k->normalize_grad_input(&s, dy, dgamma, dbeta, dx, t); }
// static int call_relu_grad(const struct kernels *k, size_t size, const void *y, const void *dy, void *dx, const void *t) { return k->relu_grad(size, y, dy, dx, t); }
// static int call_max_pool(const struct kernels *k, struct pool s, const void *x, void *y, const void *t) { return k->max_pool(&s, x, y, t); }
// static int call_max_pool_grad(const struct kernels *k, struct pool s, const void *x, const void *dy, void *dx, const void *t) { return k->max_pool_grad(&s, x, dy, dx, t); }
// static int call_avg_pool(const struct kernels *k, size_t n, size_t c, size_t pixels, const void *x, void *y, const void *t) { return k->avg_pool(n, c, pixels, x, y, t); }
// static int call_avg_pool_grad(const struct kernels *k, size_t n, size_t c, size_t pixels, const void *dy, void *dx, const void *t) { return k->avg_pool_grad(n, c, pixels, dy, dx, t); }
// static int call_block(const struct kernels *k, size_t n, size_t c, size_t pixels, const void *plain, void *blocked, const void *t) { return k->block(n, c, pixels, plain, blocked, t); }
// static int call_unblock(const struct kernels *k, size_t n, size_t c, size_t pixels, const void *blocked, void *plain, const void *t) { return k->unblock(n, c, pixels, blocked, plain, t); }
// static int call_velocity(const struct kernels *k, size_t size, const void *v, const void *p, const void *grad, float momentum, float decay, void *out, const void *t) { return k->velocity(size, v, p, grad, momentum, decay, out, t); }
// static int call_descend(const struct kernels *k, size_t size, const void *p, const void *v, float rate, void *out, const void *t) { return k->descend(size, p, v, rate, out, t); }
// static int call_matmul(const struct kernels *k, size_t m, size_t n, size_t l, const void *a, int trans_a, const void *b, int trans_b, void *out, const void *t) { return k->matmul(m, n, l, a, trans_a, b, trans_b, out, t); }
// static int call_add(const struct kernels *k, size_t size, const void *a, const void *b, void *out, const void *t) { return k->add(size, a, b, out, t); }
// static int call_relu(const struct kernels *k, size_t size, const void *x, void *out, const void *t) { return k->relu(size, x, out, t); }
// static int call_ntxent_rows(const struct kernels *k, size_t n, const void *s, double temperature, void *losses, void *weights, const void *t) { return k->ntxent_rows(n, s, temperature, losses, weights, t); }
import "C"

import (
	"errors"
	"unsafe"
)

// Kernels are those of a level, run by a team. Their operands are memory that Go does not move, aligned to 64 bytes; images lie in
// blocks of 16 channels, see Blocks; the operations are those of package graph. An error means that there is no memory.
type Kernels struct {
	table *C.struct_kernels
	team  unsafe.Pointer
}

// NewKernels returns the kernels of a level, which the CPU must have.
func NewKernels(l Level, t *Team) *Kernels {
	return &Kernels{C.goclr_step_kernels(C.int(l)), t.pointer()}
}

// Lanes is the number of channels of a block.
const Lanes = C.LANES

// Blocks is the number of blocks that so many channels take: a blocked tensor is [N, Blocks(C), H, W, Lanes].
func Blocks(channels int) int { return (channels + Lanes - 1) / Lanes }

var errMemory = errors.New("not enough memory for an operation: use a smaller batch")

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

func failed(status C.int) error {
	if status != 0 {
		return errMemory
	}
	return nil
}

// A Conv is the shape of a convolution of x [N, C, H, W] with filters [O, C, K, K].
type Conv struct{ N, C, H, W, O, K, Stride, Pad int }

func (s Conv) c() C.struct_conv {
	out := func(size int) C.size_t { return C.size_t((size+2*s.Pad-s.K)/s.Stride + 1) }
	return C.struct_conv{
		n: C.size_t(s.N), c: C.size_t(s.C), h: C.size_t(s.H), w: C.size_t(s.W), o: C.size_t(s.O),
		k: C.size_t(s.K), stride: C.size_t(s.Stride), pad: C.size_t(s.Pad), oh: out(s.H), ow: out(s.W),
	}
}

// MaxTaps is the largest K*K that convolutions take.
const MaxTaps = 49

// Conv computes y from x and filters w.
func (k *Kernels) Conv(s Conv, x, w, y unsafe.Pointer) error {
	return failed(C.call_conv(k.table, s.c(), x, w, y, k.team))
}

// ConvGradInput computes dx from dy and filters w.
func (k *Kernels) ConvGradInput(s Conv, dy, w, dx unsafe.Pointer) error {
	return failed(C.call_conv_grad_input(k.table, s.c(), dy, w, dx, k.team))
}

// ConvGradFilter computes dw from x and dy.
func (k *Kernels) ConvGradFilter(s Conv, x, dy, dw unsafe.Pointer) error {
	return failed(C.call_conv_grad_filter(k.table, s.c(), x, dy, dw, k.team))
}

// Pixels are the bytes of images [N, H, W, 3], read as byte*Scale + Offset of each channel.
type Pixels struct {
	Bytes         unsafe.Pointer
	Scale, Offset [3]float32
}

func (p Pixels) c() C.struct_pixels {
	out := C.struct_pixels{bytes: (*C.uint8_t)(p.Bytes)}
	for i := range 3 {
		out.scale[i], out.offset[i] = C.float(p.Scale[i]), C.float(p.Offset[i])
	}
	return out
}

// ConvPixels is Conv of pixels.
func (k *Kernels) ConvPixels(s Conv, x Pixels, w, y unsafe.Pointer) error {
	return failed(C.call_conv_pixels(k.table, s.c(), x.c(), w, y, k.team))
}

// ConvPixelsGradFilter is ConvGradFilter of pixels.
func (k *Kernels) ConvPixelsGradFilter(s Conv, x Pixels, dy, dw unsafe.Pointer) error {
	return failed(C.call_conv_pixels_grad_filter(k.table, s.c(), x.c(), dy, dw, k.team))
}

// A Norm is a batch normalisation over x [N, C, Pixels]. Beta and Add may be nil, and in gradients Y, the result of the ReLU whose
// gradient comes first.
type Norm struct {
	N, C, Pixels                           int
	Eps                                    float64
	ReLU                                   bool
	X, Mean, Variance, Gamma, Beta, Add, Y unsafe.Pointer
}

func (s Norm) c() C.struct_norm {
	return C.struct_norm{
		n: C.size_t(s.N), c: C.size_t(s.C), pixels: C.size_t(s.Pixels), eps: C.float(s.Eps),
		x: (*C.float)(s.X), mean: (*C.float)(s.Mean), variance: (*C.float)(s.Variance),
		gamma: (*C.float)(s.Gamma), beta: (*C.float)(s.Beta), add: (*C.float)(s.Add), y: (*C.float)(s.Y), relu: flag(s.ReLU),
	}
}

// Moments computes mean and variance [C] of X.
func (k *Kernels) Moments(s Norm, mean, variance unsafe.Pointer) error {
	return failed(C.call_moments(k.table, s.c(), mean, variance, k.team))
}

// Normalize computes y.
func (k *Kernels) Normalize(s Norm, y unsafe.Pointer) error {
	return failed(C.call_normalize(k.table, s.c(), y, k.team))
}

// NormalizeGradParams computes the gradients of gamma and beta, [C].
func (k *Kernels) NormalizeGradParams(s Norm, dy, dgamma, dbeta unsafe.Pointer) error {
	return failed(C.call_normalize_grad_params(k.table, s.c(), dy, dgamma, dbeta, k.team))
}

// NormalizeGradInput computes dx, which may lie where dy does, from what NormalizeGradParams has computed.
func (k *Kernels) NormalizeGradInput(s Norm, dy, dgamma, dbeta, dx unsafe.Pointer) error {
	return failed(C.call_normalize_grad_input(k.table, s.c(), dy, dgamma, dbeta, dx, k.team))
}

// ReLUGrad computes dx, which may lie where dy does, of size numbers.
func (k *Kernels) ReLUGrad(size int, y, dy, dx unsafe.Pointer) error {
	return failed(C.call_relu_grad(k.table, C.size_t(size), y, dy, dx, k.team))
}

// A Pool is the shape of a pooling of x [N, C, H, W] by windows of K by K.
type Pool struct{ N, C, H, W, K, Stride, Pad int }

func (s Pool) c() C.struct_pool {
	out := func(size int) C.size_t { return C.size_t((size+2*s.Pad-s.K)/s.Stride + 1) }
	return C.struct_pool{
		n: C.size_t(s.N), c: C.size_t(s.C), h: C.size_t(s.H), w: C.size_t(s.W),
		k: C.size_t(s.K), stride: C.size_t(s.Stride), pad: C.size_t(s.Pad), oh: out(s.H), ow: out(s.W),
	}
}

// MaxPool computes y from x.
func (k *Kernels) MaxPool(s Pool, x, y unsafe.Pointer) error {
	return failed(C.call_max_pool(k.table, s.c(), x, y, k.team))
}

// MaxPoolGrad computes dx from x and dy.
func (k *Kernels) MaxPoolGrad(s Pool, x, dy, dx unsafe.Pointer) error {
	return failed(C.call_max_pool_grad(k.table, s.c(), x, dy, dx, k.team))
}

// AvgPool computes y, row-major [n, c], from x of so many pixels a channel.
func (k *Kernels) AvgPool(n, c, pixels int, x, y unsafe.Pointer) error {
	return failed(C.call_avg_pool(k.table, C.size_t(n), C.size_t(c), C.size_t(pixels), x, y, k.team))
}

// AvgPoolGrad computes dx from dy, row-major [n, c].
func (k *Kernels) AvgPoolGrad(n, c, pixels int, dy, dx unsafe.Pointer) error {
	return failed(C.call_avg_pool_grad(k.table, C.size_t(n), C.size_t(c), C.size_t(pixels), dy, dx, k.team))
}

// Block makes blocks of a row-major tensor [n, c, pixels], and Unblock the reverse.
func (k *Kernels) Block(n, c, pixels int, plain, blocked unsafe.Pointer) error {
	return failed(C.call_block(k.table, C.size_t(n), C.size_t(c), C.size_t(pixels), plain, blocked, k.team))
}

// Unblock makes a row-major tensor of blocks.
func (k *Kernels) Unblock(n, c, pixels int, blocked, plain unsafe.Pointer) error {
	return failed(C.call_unblock(k.table, C.size_t(n), C.size_t(c), C.size_t(pixels), blocked, plain, k.team))
}

// Velocity computes momentum*v + grad + decay*p of size numbers.
func (k *Kernels) Velocity(size int, v, p, grad unsafe.Pointer, momentum, decay float64, out unsafe.Pointer) error {
	return failed(C.call_velocity(k.table, C.size_t(size), v, p, grad, C.float(momentum), C.float(decay), out, k.team))
}

// Descend computes p - rate*v of size numbers.
func (k *Kernels) Descend(size int, p, v unsafe.Pointer, rate float32, out unsafe.Pointer) error {
	return failed(C.call_descend(k.table, C.size_t(size), p, v, C.float(rate), out, k.team))
}

// Matmul computes out [m, n] = op(a) op(b), row-major; op(a) is a [m, k] or, with transA, the transpose of a [k, m], and op(b)
// likewise. out must not overlap an operand. These and the following need no alignment.
func (k *Kernels) Matmul(m, n, depth int, a unsafe.Pointer, transA bool, b unsafe.Pointer, transB bool, out unsafe.Pointer) error {
	return failed(C.call_matmul(k.table, C.size_t(m), C.size_t(n), C.size_t(depth), a, flag(transA), b, flag(transB), out, k.team))
}

// Add computes out = a + b, of size numbers; out may be an operand.
func (k *Kernels) Add(size int, a, b, out unsafe.Pointer) error {
	return failed(C.call_add(k.table, C.size_t(size), a, b, out, k.team))
}

// ReLU computes out = max(0, x), and NaN where x is, of size numbers; out may be x.
func (k *Kernels) ReLU(size int, x, out unsafe.Pointer) error {
	return failed(C.call_relu(k.table, C.size_t(size), x, out, k.team))
}

// NTXentRows computes the losses [n] of the rows of similarities s [n, n], where the positive of row i is i^1, and the weights
// [n, n]: the gradient of their mean by s. weights may be nil, or s itself. n is even.
func (k *Kernels) NTXentRows(n int, s unsafe.Pointer, temperature float64, losses, weights unsafe.Pointer) error {
	return failed(C.call_ntxent_rows(k.table, C.size_t(n), s, C.double(temperature), losses, weights, k.team))
}
