//go:build cgo

#include "product.h"

#include <string.h>

// No fused multiplication and addition: gcc refrains from it with -std=c11, clang with this.
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

// A vector of eight elements: one register with AVX2, two with SSE2 or NEON.
typedef float vector __attribute__((vector_size(32)));
typedef vector unaligned __attribute__((aligned(4)));

enum { ROWS = 4, COLUMNS = 2 * sizeof(vector) / sizeof(float) };

// block computes rows by two vectors of c, which stay in registers.
static inline __attribute__((always_inline)) void block(float *c, const float *a, const float *b, size_t rows, size_t n,
                                                        size_t k, size_t stride) {
	vector sum[ROWS][2] = {0};
	for (size_t l = 0; l < k; l++, b += stride) {
		vector x = *(const unaligned *)b, y = *(const unaligned *)(b + COLUMNS / 2);
		for (size_t i = 0; i < rows; i++) {
			sum[i][0] += a[i * k + l] * x;
			sum[i][1] += a[i * k + l] * y;
		}
	}
	for (size_t i = 0; i < rows; i++)
		memcpy(c + i * n, sum[i], sizeof sum[i]);
}

// MULTIPLY is compiled once for each set of instructions.
#define MULTIPLY(name, target)                                                                                        \
	target static void name(float *c, const float *a, const float *b, size_t m, size_t n, size_t k, size_t stride) {   \
		size_t i, j;                                                                                                   \
		for (j = 0; j + COLUMNS <= n; j += COLUMNS) {                                                                  \
			for (i = 0; i + ROWS <= m; i += ROWS)                                                                      \
				block(c + i * n + j, a + i * k, b + j, ROWS, n, k, stride);                                            \
			for (; i < m; i++)                                                                                         \
				block(c + i * n + j, a + i * k, b + j, 1, n, k, stride);                                               \
		}                                                                                                              \
		for (; j < n; j++)                                                                                             \
			for (i = 0; i < m; i++) {                                                                                  \
				float sum = 0;                                                                                         \
				for (size_t l = 0; l < k; l++)                                                                         \
					sum += a[i * k + l] * b[l * stride + j];                                                           \
				c[i * n + j] = sum;                                                                                    \
			}                                                                                                          \
	}

MULTIPLY(multiply_baseline, )
#ifdef __x86_64__
MULTIPLY(multiply_avx2, __attribute__((target("avx2"))))
#endif

void multiply(float *c, const float *a, const float *b, size_t m, size_t n, size_t k, size_t stride) {
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2")) {
		multiply_avx2(c, a, b, m, n, k, stride);
		return;
	}
#endif
	multiply_baseline(c, a, b, m, n, k, stride);
}
