// Convolutions of images and their gradients, where cuDNN has no algorithm. Each is a product of two matrices, whose elements are looked
// up in images and filters when they are needed.
#include "prelude.cuh"

// A block computes a tile of SIDE by SIDE elements of the product, DEPTH terms of each at a time; a thread has 4 by 4 of them, 16 apart.
enum { CONVOLVE_SIDE = 64, CONVOLVE_DEPTH = 16, CONVOLVE_STEP = 16, CONVOLVE_EACH = 4 };

// The images x are [n, height, width, channels], y [n, rows, cols, filters], and the filters w [filters, kernel, kernel, channels].
struct convolve_arguments {
	const image *first, *second; // two of x, w and y, in this order; those of the gradient of x are y and w
	void *out;
	int n, channels, height, width, filters, kernel, rows, cols, stride, pad;
	int parts, terms; // of the gradient of filters: into how many parts its sums are divided, and how many terms each has
};

typedef float convolve_panel[CONVOLVE_DEPTH][CONVOLVE_SIDE + 1]; // one more, so that columns lie in different banks

// convolve_load fills a panel with DEPTH terms, from term `at`, of SIDE rows from row `row`; elsewhere with zeros. ACROSS says that
// neighbouring rows lie side by side in memory, and not neighbouring terms.
template <bool ACROSS, typename elements> __device__ inline void convolve_load(convolve_panel panel, int rows, int to, int row, int at, elements element) {
#pragma unroll
	for (int i = 0; i < CONVOLVE_SIDE * CONVOLVE_DEPTH / THREADS; i++) {
		int e = i * THREADS + threadIdx.x;
		int r = ACROSS ? e % CONVOLVE_SIDE : e / CONVOLVE_DEPTH, d = ACROSS ? e / CONVOLVE_SIDE : e % CONVOLVE_DEPTH;
		panel[d][r] = row + r < rows && at + d < to ? element(row + r, at + d) : 0;
	}
}

// convolve_tile sums up left(row, term) * right(column, term) over the terms from `from` to `to`, for the tile at row `top` and column
// `side` of [rows, columns], and hands each sum to result(row, column, sum).
template <bool LEFT_ACROSS, bool RIGHT_ACROSS, typename lefts, typename rights, typename results>
__device__ inline void convolve_tile(int rows, int columns, int top, int side, int from, int to, lefts left, rights right, results result) {
	SHARED convolve_panel above, beside;
	int row = threadIdx.x / CONVOLVE_STEP, column = threadIdx.x % CONVOLVE_STEP;
	float sums[CONVOLVE_EACH][CONVOLVE_EACH] = {};
	for (int at = from; at < to; at += CONVOLVE_DEPTH) {
		__syncthreads();
		convolve_load<LEFT_ACROSS>(above, rows, to, top, at, left);
		convolve_load<RIGHT_ACROSS>(beside, columns, to, side, at, right);
		__syncthreads();
#pragma unroll
		for (int d = 0; d < CONVOLVE_DEPTH; d++)
#pragma unroll
			for (int i = 0; i < CONVOLVE_EACH; i++)
#pragma unroll
				for (int j = 0; j < CONVOLVE_EACH; j++)
					sums[i][j] += above[d][row + i * CONVOLVE_STEP] * beside[d][column + j * CONVOLVE_STEP];
	}
	for (int i = 0; i < CONVOLVE_EACH; i++)
		for (int j = 0; j < CONVOLVE_EACH; j++) {
			int y = top + row + i * CONVOLVE_STEP, x = side + column + j * CONVOLVE_STEP;
			if (y < rows && x < columns) result(y, x, sums[i][j]);
		}
}

// convolve_seen is the element of x that a tap of a filter, [kernel, kernel, channels], meets for a pixel of y; padding is 0.
__device__ inline float convolve_seen(const convolve_arguments &a, const image *x, int pixel, int tap) {
	int column = pixel % a.cols, line = pixel / a.cols % a.rows, picture = pixel / a.cols / a.rows;
	int channel = tap % a.channels, place = tap / a.channels;
	int h = line * a.stride - a.pad + place / a.kernel, w = column * a.stride - a.pad + place % a.kernel;
	if (h < 0 || h >= a.height || w < 0 || w >= a.width) return 0;
	return load(x, (((size)picture * a.height + h) * a.width + w) * a.channels + channel);
}

KERNEL(convolve, convolve_arguments) {
	int taps = a.kernel * a.kernel * a.channels;
	convolve_tile<false, false>(
		a.n * a.rows * a.cols, a.filters, blockIdx.x * CONVOLVE_SIDE, blockIdx.y * CONVOLVE_SIDE, 0, taps,
		[&](int pixel, int tap) { return convolve_seen(a, a.first, pixel, tap); },
		[&](int filter, int tap) { return load(a.second, (size)filter * taps + tap); },
		[&](int pixel, int filter, float sum) { store((image *)a.out, (size)pixel * a.filters + filter, sum); });
}

KERNEL(convolve_input_gradient, convolve_arguments) {
	int area = a.kernel * a.kernel;
	convolve_tile<false, true>(
		a.n * a.height * a.width, a.channels, blockIdx.x * CONVOLVE_SIDE, blockIdx.y * CONVOLVE_SIDE, 0, area * a.filters,
		[&](int pixel, int term) {
			int w = pixel % a.width, h = pixel / a.width % a.height, picture = pixel / a.width / a.height;
			int filter = term % a.filters, place = term / a.filters;
			int line = h + a.pad - place / a.kernel, column = w + a.pad - place % a.kernel; // times the stride
			if (line < 0 || column < 0 || line % a.stride || column % a.stride) return 0.0f;
			line /= a.stride;
			column /= a.stride;
			if (line >= a.rows || column >= a.cols) return 0.0f;
			return load(a.first, (((size)picture * a.rows + line) * a.cols + column) * a.filters + filter);
		},
		[&](int channel, int term) { return load(a.second, ((size)(term % a.filters) * area + term / a.filters) * a.channels + channel); },
		[&](int pixel, int channel, float sum) { store((image *)a.out, (size)pixel * a.channels + channel, sum); });
}

// convolve_filter_gradient writes floats [parts, filters, channels, kernel, kernel]. Blocks beside one another have the parts of a tile.
KERNEL(convolve_filter_gradient, convolve_arguments) {
	int part = blockIdx.x % a.parts, area = a.kernel * a.kernel, pixels = a.n * a.rows * a.cols;
	int from = part * a.terms, to = pixels - from < a.terms ? pixels : from + a.terms;
	float *out = (float *)a.out + (size)part * a.filters * a.channels * area;
	convolve_tile<true, true>(
		a.filters, area * a.channels, blockIdx.x / a.parts * CONVOLVE_SIDE, blockIdx.y * CONVOLVE_SIDE, from, to,
		[&](int filter, int pixel) { return load(a.second, (size)pixel * a.filters + filter); },
		[&](int tap, int pixel) { return convolve_seen(a, a.first, pixel, tap); },
		[&](int filter, int tap, float sum) { out[((size)filter * a.channels + tap % a.channels) * area + tap / a.channels] = sum; });
}

struct convolve_total_arguments {
	const float *parts; // [count, n]
	float *out;
	size n;
	int count;
};

KERNEL(convolve_filter_total, convolve_total_arguments) {
	for (size i = first(); i < a.n; i += stride()) {
		double sum = 0;
		for (int part = 0; part < a.count; part++) sum += a.parts[part * a.n + i];
		a.out[i] = (float)sum;
	}
}
