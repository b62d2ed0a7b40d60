//go:build cgo

package kernel

// #include "kernels.h"
//
// static const struct team *team_of(void *team) { return team ? team : &goclr_serial_team; }
//
// static int call_matmul(void *table, size_t m, size_t n, size_t k, void *a, int trans_a, void *b, int trans_b, void *out, void *team) {
// 	return ((const struct kernels *)table)->matmul(m, n, k, a, trans_a, b, trans_b, out, team_of(team));
// }
//
// static int call_add(void *table, size_t size, void *a, void *b, void *out, void *team) {
// 	return ((const struct kernels *)table)->add(size, a, b, out, team_of(team));
// }
//
// static int call_accumulate(void *table, size_t size, void *x, void *sum, void *team) {
// 	return ((const struct kernels *)table)->accumulate(size, x, sum, team_of(team));
// }
//
// static int call_relu(void *table, size_t size, void *x, void *out, void *team) {
// 	return ((const struct kernels *)table)->relu(size, x, out, team_of(team));
// }
//
// static int call_ntxent_rows(void *table, size_t n, void *s, float temperature, void *losses, void *weights, void *team) {
// 	return ((const struct kernels *)table)->ntxent_rows(n, s, temperature, losses, weights, team_of(team));
// }
import "C"

import (
	"errors"
	"unsafe"
)

// ErrMemory says that there was no memory for the scratch of a kernel.
var ErrMemory = errors.New("no memory for the scratch of a kernel: take smaller batches")

func result(status C.int) error {
	if status != 0 {
		return ErrMemory
	}
	return nil
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

// Matmul computes out [m, n] = op(a) op(b), row-major; op(a) is a [m, k] or, with transA, the transpose of a [k, m], and op(b)
// likewise. out must not overlap an operand. team is a struct team of C, or nil for one that works alone.
func (l Level) Matmul(m, n, k int, a unsafe.Pointer, transA bool, b unsafe.Pointer, transB bool, out, team unsafe.Pointer) error {
	return result(C.call_matmul(l.Table(), C.size_t(m), C.size_t(n), C.size_t(k), a, flag(transA), b, flag(transB), out, team))
}

// Add computes out = a + b, of size numbers; out may be an operand.
func (l Level) Add(size int, a, b, out, team unsafe.Pointer) error {
	return result(C.call_add(l.Table(), C.size_t(size), a, b, out, team))
}

// Accumulate adds x to sum, of size numbers.
func (l Level) Accumulate(size int, x, sum, team unsafe.Pointer) error {
	return result(C.call_accumulate(l.Table(), C.size_t(size), x, sum, team))
}

// ReLU computes out = max(0, x), and NaN where x is, of size numbers; out may be x.
func (l Level) ReLU(size int, x, out, team unsafe.Pointer) error {
	return result(C.call_relu(l.Table(), C.size_t(size), x, out, team))
}

// NTXentRows computes the losses [n] of the rows of similarities s [n, n], where the positive of row i is i^1, and the weights
// [n, n]: the gradient of their mean by s. weights may be nil, or s itself. n is even.
func (l Level) NTXentRows(n int, s unsafe.Pointer, temperature float32, losses, weights, team unsafe.Pointer) error {
	return result(C.call_ntxent_rows(l.Table(), C.size_t(n), s, C.float(temperature), losses, weights, team))
}
