// The product of two matrices by tiles, whatever says what their elements are.

// A block computes a tile of SIDE by SIDE elements of the product, DEPTH terms of each at a time; a thread has 4 by 4 of them, 16 apart.
enum { TILE_SIDE = 64, TILE_DEPTH = 16, TILE_STEP = 16, TILE_EACH = 4 };

typedef float tile_panel[TILE_DEPTH][TILE_SIDE + 1]; // one more, so that columns lie in different banks

// tile_load fills a panel with DEPTH terms, from term `at`, of SIDE rows from row `row`; elsewhere with zeros. across says that
// neighbouring rows lie side by side in memory, and not neighbouring terms.
template <typename elements> __device__ inline void tile_load(tile_panel panel, int rows, int to, int row, int at, bool across, elements element) {
#pragma unroll
	for (int i = 0; i < TILE_SIDE * TILE_DEPTH / THREADS; i++) {
		int e = i * THREADS + threadIdx.x;
		int r = across ? e % TILE_SIDE : e / TILE_DEPTH, d = across ? e / TILE_SIDE : e % TILE_DEPTH;
		panel[d][r] = row + r < rows && at + d < to ? element(row + r, at + d) : 0;
	}
}

// tile_product sums up left(row, term) * right(column, term) over the terms from `from` to `to`, for the tile at row `top` and column
// `side` of [rows, columns], and hands each sum to result(row, column, sum).
template <typename lefts, typename rights, typename results>
__device__ inline void tile_product(int rows, int columns, int top, int side, int from, int to, bool left_across, lefts left, bool right_across, rights right,
		results result) {
	SHARED tile_panel above, beside;
	int row = threadIdx.x / TILE_STEP, column = threadIdx.x % TILE_STEP;
	float sums[TILE_EACH][TILE_EACH] = {};
	for (int at = from; at < to; at += TILE_DEPTH) {
		__syncthreads();
		tile_load(above, rows, to, top, at, left_across, left);
		tile_load(beside, columns, to, side, at, right_across, right);
		__syncthreads();
#pragma unroll
		for (int d = 0; d < TILE_DEPTH; d++)
#pragma unroll
			for (int i = 0; i < TILE_EACH; i++)
#pragma unroll
				for (int j = 0; j < TILE_EACH; j++)
					sums[i][j] += above[d][row + i * TILE_STEP] * beside[d][column + j * TILE_STEP];
	}
	for (int i = 0; i < TILE_EACH; i++)
		for (int j = 0; j < TILE_EACH; j++) {
			int y = top + row + i * TILE_STEP, x = side + column + j * TILE_STEP;
			if (y < rows && x < columns) result(y, x, sums[i][j]);
		}
}
