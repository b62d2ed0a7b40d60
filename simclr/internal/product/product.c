//go:build cgo

#include "product.h"

#include <string.h>

// No fused multiplication and addition: gcc refrains from it with -std=c11, clang with this.
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

enum { ROWS = 4 };

#define VECTOR vector16
#define UNALIGNED unaligned16
#define BLOCK block_baseline
#define MULTIPLY multiply_baseline
#define TARGET
#define BYTES 16 // SSE2 or NEON
#include "multiply.h"

#ifdef __x86_64__
#define VECTOR vector32
#define UNALIGNED unaligned32
#define BLOCK block_avx2
#define MULTIPLY multiply_avx2
#define TARGET __attribute__((target("avx2")))
#define BYTES 32
#include "multiply.h"
#endif

void multiply(int avx2, float *c, const float *a, const float *b, size_t m, size_t n, size_t k, size_t stride) {
#ifdef __x86_64__
	if (avx2) {
		multiply_avx2(c, a, b, m, n, k, stride);
		return;
	}
#endif
	multiply_baseline(c, a, b, m, n, k, stride);
}
