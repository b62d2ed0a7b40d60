// Convolutions of images and their gradients, where cuDNN has no algorithm. Each is a product of two matrices, whose elements are looked
// up in images and filters when they are needed.
#include "prelude.cuh"
#include "tile.cuh"

// The images x are [n, height, width, channels], y [n, rows, cols, filters], and the filters w [filters, kernel, kernel, channels].
struct convolve_arguments {
	const image *first, *second; // two of x, w and y, in this order; those of the gradient of x are y and w
	void *out;
	int n, channels, height, width, filters, kernel, rows, cols, stride, pad;
	int parts, terms; // of the gradient of filters: into how many parts its sums are divided, and how many terms each has
};

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
	tile_product(
		a.n * a.rows * a.cols, a.filters, blockIdx.x * TILE_SIDE, blockIdx.y * TILE_SIDE, 0, taps,
		false, [&](int pixel, int tap) { return convolve_seen(a, a.first, pixel, tap); },
		false, [&](int filter, int tap) { return load(a.second, (size)filter * taps + tap); },
		[&](int pixel, int filter, float sum) { store((image *)a.out, (size)pixel * a.filters + filter, sum); });
}

KERNEL(convolve_input_gradient, convolve_arguments) {
	int area = a.kernel * a.kernel;
	tile_product(
		a.n * a.height * a.width, a.channels, blockIdx.x * TILE_SIDE, blockIdx.y * TILE_SIDE, 0, area * a.filters,
		false, [&](int pixel, int term) {
			int w = pixel % a.width, h = pixel / a.width % a.height, picture = pixel / a.width / a.height;
			int filter = term % a.filters, place = term / a.filters;
			int line = h + a.pad - place / a.kernel, column = w + a.pad - place % a.kernel; // times the stride
			if (line < 0 || column < 0 || line % a.stride || column % a.stride) return 0.0f;
			line /= a.stride;
			column /= a.stride;
			if (line >= a.rows || column >= a.cols) return 0.0f;
			return load(a.first, (((size)picture * a.rows + line) * a.cols + column) * a.filters + filter);
		},
		true, [&](int channel, int term) { return load(a.second, ((size)(term % a.filters) * area + term / a.filters) * a.channels + channel); },
		[&](int pixel, int channel, float sum) { store((image *)a.out, (size)pixel * a.channels + channel, sum); });
}

// convolve_filter_gradient writes floats [parts, filters, channels, kernel, kernel]. Blocks beside one another have the parts of a tile.
KERNEL(convolve_filter_gradient, convolve_arguments) {
	int part = blockIdx.x % a.parts, area = a.kernel * a.kernel, pixels = a.n * a.rows * a.cols;
	int from = part * a.terms, to = pixels - from < a.terms ? pixels : from + a.terms;
	float *out = (float *)a.out + (size)part * a.filters * a.channels * area;
	tile_product(
		a.filters, area * a.channels, blockIdx.x / a.parts * TILE_SIDE, blockIdx.y * TILE_SIDE, from, to,
		true, [&](int filter, int pixel) { return load(a.second, (size)pixel * a.filters + filter); },
		true, [&](int tap, int pixel) { return convolve_seen(a, a.first, pixel, tap); },
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
