// Pooling of images. A thread has W channels of one pixel of the result.
#include "prelude.cuh"
#include "pixels.cuh"

struct window { int height, width, out_height, out_width, kernel, stride, pad; };

struct max_pool_arguments {
	const image *x;
	image *out;
	matrix m; // of the result
	window w;
};

// maximum_of looks for the first maximum of window row of all, which is number at[k] of the places in it.
template <int W> __device__ inline void maximum_of(const image *x, int channels, const window &w, int row, int channel, float (&best)[W], int (&at)[W]) {
	int column = row % w.out_width, line = row / w.out_width % w.out_height, picture = row / w.out_width / w.out_height;
	int top = line * w.stride - w.pad, left = column * w.stride - w.pad;
	bool any = false; // padding never wins
	for (int i = 0; i < w.kernel; i++) {
		int r = top + i;
		if (r < 0 || r >= w.height) continue;
		for (int j = 0; j < w.kernel; j++) {
			int c = left + j;
			if (c < 0 || c >= w.width) continue;
			float v[W];
			read<W>(x + (((size)picture * w.height + r) * w.width + c) * channels + channel, v);
#pragma unroll
			for (int k = 0; k < W; k++)
				if (!any || v[k] > best[k]) {
					best[k] = v[k];
					at[k] = i * w.kernel + j;
				}
			any = true;
		}
	}
}

template <int W> __device__ inline void max_pool_of(const max_pool_arguments &a) {
	lane l = lane_of<W>(a.m);
	for (int row = l.from; row < l.to; row += l.step) {
		float best[W] = {};
		int at[W] = {};
		maximum_of<W>(a.x, a.m.channels, a.w, row, l.channel, best, at);
		write<W>(a.out + (size)row * a.m.channels + l.channel, best);
	}
}

KERNEL(max_pool, max_pool_arguments) { BY_WIDTH(max_pool_of); }

// Places of maxima are bytes: rereading the windows of x for each of its elements would cost more.
typedef unsigned char place;

template <int W> struct alignas(W) places { place at[W]; };

struct max_pool_places_arguments {
	const image *x;
	place *out; // like the result of max_pool
	matrix m;   // of that
	window w;
};

template <int W> __device__ inline void max_pool_places_of(const max_pool_places_arguments &a) {
	lane l = lane_of<W>(a.m);
	for (int row = l.from; row < l.to; row += l.step) {
		float best[W] = {};
		int at[W] = {};
		maximum_of<W>(a.x, a.m.channels, a.w, row, l.channel, best, at);
		places<W> p;
#pragma unroll
		for (int k = 0; k < W; k++) p.at[k] = (place)at[k];
		*(places<W> *)(a.out + (size)row * a.m.channels + l.channel) = p;
	}
}

KERNEL(max_pool_places, max_pool_places_arguments) { BY_WIDTH(max_pool_places_of); }

struct max_pool_gradient_arguments {
	const place *at;
	const image *dy;
	image *out;
	matrix m; // of out
	window w;
};

// Each element of x looks up the windows that it is in.
template <int W> __device__ inline void max_pool_gradient_of(const max_pool_gradient_arguments &a) {
	lane l = lane_of<W>(a.m);
	const window &w = a.w;
	for (int row = l.from; row < l.to; row += l.step) {
		int c = row % w.width + w.pad, r = row / w.width % w.height + w.pad, picture = row / w.width / w.height;
		int first_line = r < w.kernel ? 0 : (r - w.kernel) / w.stride + 1, first_column = c < w.kernel ? 0 : (c - w.kernel) / w.stride + 1;
		float sum[W] = {};
		for (int line = first_line; line < w.out_height && line * w.stride <= r; line++)
			for (int column = first_column; column < w.out_width && column * w.stride <= c; column++) {
				size from = (((size)picture * w.out_height + line) * w.out_width + column) * a.m.channels + l.channel;
				int self = (r - line * w.stride) * w.kernel + c - column * w.stride;
				places<W> p = *(const places<W> *)(a.at + from);
				float d[W];
				read<W>(a.dy + from, d);
#pragma unroll
				for (int k = 0; k < W; k++)
					if (p.at[k] == self) sum[k] += d[k];
			}
		write<W>(a.out + (size)row * a.m.channels + l.channel, sum);
	}
}

KERNEL(max_pool_gradient, max_pool_gradient_arguments) { BY_WIDTH(max_pool_gradient_of); }

struct average_pool_arguments {
	const image *x;
	float *out; // [N, channels]
	matrix m;   // of x; a slab is an image
};

template <int W> __device__ inline void average_pool_of(const average_pool_arguments &a) {
	lane l = lane_of<W>(a.m);
	float sums[1][W] = {};
#pragma unroll 4
	for (int row = l.from; row < l.to; row += l.step) {
		float x[W];
		read<W>(a.x + (size)row * a.m.channels + l.channel, x);
#pragma unroll
		for (int k = 0; k < W; k++) sums[0][k] += x[k];
	}
	column_sums<W, 1>(l, a.m.channels, sums, 1.0f / a.m.slab, a.out + (size)blockIdx.x * a.m.channels);
}

KERNEL(average_pool, average_pool_arguments) { BY_WIDTH(average_pool_of); }

struct average_pool_gradient_arguments {
	const float *dy; // [N, channels]
	image *out;
	matrix m; // of out
	int area;
};

template <int W> __device__ inline void average_pool_gradient_of(const average_pool_gradient_arguments &a) {
	lane l = lane_of<W>(a.m);
	float factor = 1.0f / a.area;
	for (int row = l.from; row < l.to; row += l.step) {
		float d[W];
		floats_of<W>(a.dy + (size)(row / a.area) * a.m.channels + l.channel, d);
#pragma unroll
		for (int k = 0; k < W; k++) d[k] *= factor;
		write<W>(a.out + (size)row * a.m.channels + l.channel, d);
	}
}

KERNEL(average_pool_gradient, average_pool_gradient_arguments) { BY_WIDTH(average_pool_gradient_of); }
