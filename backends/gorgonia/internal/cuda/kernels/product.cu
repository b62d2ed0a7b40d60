// The product of two matrices, where no library computes it.
#include "prelude.cuh"

// A block computes a tile of SIDE by SIDE elements of the product, DEPTH terms of each at a time; a thread has 4 by 4 of them, 16 apart.
enum { PRODUCT_SIDE = 64, PRODUCT_DEPTH = 16, PRODUCT_STEP = 16, PRODUCT_EACH = 4 };

struct product_arguments {
	const float *a, *b; // [m, k] and [k, n], or transposed
	float *out;         // [m, n]
	int m, n, k, trans_a, trans_b;
};

typedef float product_panel[PRODUCT_DEPTH][PRODUCT_SIDE + 1]; // one more, so that columns lie in different banks

// product_load fills a panel with DEPTH terms, from term `at`, of SIDE rows of [rows, k], from row `row`; elsewhere with zeros. across
// says that the matrix lies as [k, rows].
__device__ inline void product_load(product_panel panel, const float *x, int rows, int k, int row, int at, bool across) {
#pragma unroll
	for (int i = 0; i < PRODUCT_SIDE * PRODUCT_DEPTH / THREADS; i++) {
		int e = i * THREADS + threadIdx.x;
		int r = across ? e % PRODUCT_SIDE : e / PRODUCT_DEPTH, d = across ? e / PRODUCT_SIDE : e % PRODUCT_DEPTH;
		float v = 0;
		if (row + r < rows && at + d < k) v = across ? x[(size)(at + d) * rows + row + r] : x[(size)(row + r) * k + at + d];
		panel[d][r] = v;
	}
}

KERNEL(product, product_arguments) {
	SHARED product_panel left, right;
	int top = blockIdx.x * PRODUCT_SIDE, side = blockIdx.y * PRODUCT_SIDE;
	int row = threadIdx.x / PRODUCT_STEP, column = threadIdx.x % PRODUCT_STEP;
	float sums[PRODUCT_EACH][PRODUCT_EACH] = {};
	for (int at = 0; at < a.k; at += PRODUCT_DEPTH) {
		__syncthreads();
		product_load(left, a.a, a.m, a.k, top, at, a.trans_a);
		product_load(right, a.b, a.n, a.k, side, at, !a.trans_b);
		__syncthreads();
#pragma unroll
		for (int d = 0; d < PRODUCT_DEPTH; d++)
#pragma unroll
			for (int i = 0; i < PRODUCT_EACH; i++)
#pragma unroll
				for (int j = 0; j < PRODUCT_EACH; j++)
					sums[i][j] += left[d][row + i * PRODUCT_STEP] * right[d][column + j * PRODUCT_STEP];
	}
	for (int i = 0; i < PRODUCT_EACH; i++)
		for (int j = 0; j < PRODUCT_EACH; j++) {
			int y = top + row + i * PRODUCT_STEP, x = side + column + j * PRODUCT_STEP;
			if (y < a.m && x < a.n) a.out[(size)y * a.n + x] = sums[i][j];
		}
}
