// The product of two matrices, where no library computes it.
#include "prelude.cuh"
#include "tile.cuh"

struct product_arguments {
	const float *a, *b; // [m, k] and [k, n], or transposed
	float *out;         // [m, n]
	int m, n, k, trans_a, trans_b;
};

KERNEL(product, product_arguments) {
	tile_product(
		a.m, a.n, blockIdx.x * TILE_SIDE, blockIdx.y * TILE_SIDE, 0, a.k,
		a.trans_a, [&](int row, int term) { return a.trans_a ? a.a[(size)term * a.m + row] : a.a[(size)row * a.k + term]; },
		!a.trans_b, [&](int column, int term) { return a.trans_b ? a.b[(size)column * a.k + term] : a.b[(size)term * a.n + column]; },
		[&](int row, int column, float sum) { a.out[(size)row * a.n + column] = sum; });
}
