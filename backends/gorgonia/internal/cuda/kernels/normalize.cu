// Batch normalisation of images. Sums over all rows take two kernels: in the first each block adds up its slab, in the second a block
// adds up those of all slabs, for 8 channels.
#include "prelude.cuh"
#include "pixels.cuh"

// partial is [slabs, 2, channels].
struct moments_images_arguments {
	const image *x;
	float *partial;
	matrix m;
};

// The first row is taken off, so that a mean far from zero leaves the squares their digits.
template <int W> __device__ inline void moments_of(const moments_images_arguments &a) {
	lane l = lane_of<W>(a.m);
	float shift[W] = {}, sums[2][W] = {};
	if (l.from < l.to) read<W>(a.x + l.channel, shift);
#pragma unroll 4
	for (int row = l.from; row < l.to; row += l.step) {
		float x[W];
		read<W>(a.x + (size)row * a.m.channels + l.channel, x);
#pragma unroll
		for (int k = 0; k < W; k++) {
			float d = x[k] - shift[k];
			sums[0][k] += d;
			sums[1][k] += d * d;
		}
	}
	column_sums<W, 2>(l, a.m.channels, sums, 1, a.partial + (size)blockIdx.x * 2 * a.m.channels);
}

KERNEL(moments_images, moments_images_arguments) { BY_WIDTH(moments_of); }

#define TOTAL_CHANNELS 8

// slab_totals adds up partial [slabs, 2, channels] for the channel of a thread; the first TOTAL_CHANNELS threads get the sums.
__device__ inline void slab_totals(const float *partial, int slabs, int channels, double &first, double &second) {
	SHARED double shared[2][THREADS];
	int channel = blockIdx.x * TOTAL_CHANNELS + threadIdx.x % TOTAL_CHANNELS;
	double s[2] = {0, 0};
	if (channel < channels) {
#pragma unroll 8
		for (int i = threadIdx.x / TOTAL_CHANNELS; i < slabs; i += THREADS / TOTAL_CHANNELS) {
			const float *p = partial + (size)i * 2 * channels + channel;
			s[0] += p[0];
			s[1] += p[channels];
		}
	}
	shared[0][threadIdx.x] = s[0];
	shared[1][threadIdx.x] = s[1];
	for (int half = THREADS / 2; half >= TOTAL_CHANNELS; half /= 2) {
		__syncthreads();
		if (threadIdx.x < half) {
			shared[0][threadIdx.x] += shared[0][threadIdx.x + half];
			shared[1][threadIdx.x] += shared[1][threadIdx.x + half];
		}
	}
	first = shared[0][threadIdx.x];
	second = shared[1][threadIdx.x];
}

struct moments_images_total_arguments {
	const float *partial;
	const image *x;
	float *out; // [2, channels]
	int rows, slabs, channels;
};

KERNEL(moments_images_total, moments_images_total_arguments) {
	double sum, squares;
	slab_totals(a.partial, a.slabs, a.channels, sum, squares);
	int channel = blockIdx.x * TOTAL_CHANNELS + threadIdx.x;
	if (threadIdx.x >= TOTAL_CHANNELS || channel >= a.channels) return;
	double mean = sum / a.rows, variance = squares / a.rows - mean * mean;
	a.out[channel] = (float)(load(a.x, channel) + mean);
	a.out[a.channels + channel] = (float)(variance < 0 ? 0 : variance);
}

struct normalize_images_arguments {
	const image *x;
	const float *moments, *gamma, *beta; // beta may be null
	const image *add;                    // may be null
	image *out;                          // may be x
	matrix m;
	int relu;
	float eps;
};

template <int W> __device__ inline void normalize_of(const normalize_images_arguments &a) {
	lane l = lane_of<W>(a.m);
	if (l.from >= l.to) return;
	float mean[W], factor[W], variance[W], beta[W] = {};
	floats_of<W>(a.moments + l.channel, mean);
	floats_of<W>(a.moments + a.m.channels + l.channel, variance);
	floats_of<W>(a.gamma + l.channel, factor);
	if (a.beta) floats_of<W>(a.beta + l.channel, beta);
#pragma unroll
	for (int k = 0; k < W; k++) factor[k] *= rsqrtf(variance[k] + a.eps);
	for (int row = l.from; row < l.to; row += l.step) {
		size at = (size)row * a.m.channels + l.channel;
		float x[W], add[W] = {};
		read<W>(a.x + at, x);
		if (a.add) read<W>(a.add + at, add);
#pragma unroll
		for (int k = 0; k < W; k++) {
			x[k] = (x[k] - mean[k]) * factor[k] + beta[k] + add[k];
			if (a.relu) x[k] = x[k] < 0 ? 0 : x[k]; // NaN stays
		}
		write<W>(a.out + at, x);
	}
}

KERNEL(normalize_images, normalize_images_arguments) { BY_WIDTH(normalize_of); }

// gradient_of reads dy where y > 0, and 0 elsewhere; dy itself if y is null.
template <int W> __device__ inline void gradient_of(const image *dy, const image *y, size at, float (&d)[W]) {
	read<W>(dy + at, d);
	if (!y) return;
	float v[W];
	read<W>(y + at, v);
#pragma unroll
	for (int k = 0; k < W; k++) d[k] = v[k] > 0 ? d[k] : 0;
}

// partial is [slabs, 2, channels]: sums of dy * (x - mean), and of dy.
struct normalize_images_sums_arguments {
	const image *x;
	const float *moments;
	const image *dy, *y; // y may be null
	float *partial;
	matrix m;
};

template <int W> __device__ inline void gradient_sums_of(const normalize_images_sums_arguments &a) {
	lane l = lane_of<W>(a.m);
	float mean[W] = {}, sums[2][W] = {};
	if (l.from < l.to) floats_of<W>(a.moments + l.channel, mean);
#pragma unroll 2
	for (int row = l.from; row < l.to; row += l.step) {
		size at = (size)row * a.m.channels + l.channel;
		float x[W], d[W];
		read<W>(a.x + at, x);
		gradient_of<W>(a.dy, a.y, at, d);
#pragma unroll
		for (int k = 0; k < W; k++) {
			sums[0][k] += d[k] * (x[k] - mean[k]);
			sums[1][k] += d[k];
		}
	}
	column_sums<W, 2>(l, a.m.channels, sums, 1, a.partial + (size)blockIdx.x * 2 * a.m.channels);
}

KERNEL(normalize_images_sums, normalize_images_sums_arguments) { BY_WIDTH(gradient_sums_of); }

struct normalize_images_sums_total_arguments {
	const float *partial, *moments;
	float *out; // [2, channels]
	int slabs, channels;
	float eps;
};

KERNEL(normalize_images_sums_total, normalize_images_sums_total_arguments) {
	double products, sum;
	slab_totals(a.partial, a.slabs, a.channels, products, sum);
	int channel = blockIdx.x * TOTAL_CHANNELS + threadIdx.x;
	if (threadIdx.x >= TOTAL_CHANNELS || channel >= a.channels) return;
	a.out[channel] = (float)(products * rsqrtf(a.moments[a.channels + channel] + a.eps));
	a.out[a.channels + channel] = (float)sum;
}

struct normalize_images_gradient_arguments {
	const image *x;
	const float *moments, *gamma;
	const image *dy;
	const float *params;
	const image *y; // may be null
	image *out;     // may be dy
	matrix m;
	float eps;
};

template <int W> __device__ inline void input_gradient_of(const normalize_images_gradient_arguments &a) {
	lane l = lane_of<W>(a.m);
	if (l.from >= l.to) return;
	float mean[W], variance[W], factor[W], slope[W], offset[W], share = 1.0f / a.m.rows;
	floats_of<W>(a.moments + l.channel, mean);
	floats_of<W>(a.moments + a.m.channels + l.channel, variance);
	floats_of<W>(a.gamma + l.channel, factor);
	floats_of<W>(a.params + l.channel, slope);
	floats_of<W>(a.params + a.m.channels + l.channel, offset);
#pragma unroll
	for (int k = 0; k < W; k++) {
		float inverse = rsqrtf(variance[k] + a.eps);
		factor[k] *= inverse;
		slope[k] *= inverse * share;
		offset[k] *= share;
	}
	for (int row = l.from; row < l.to; row += l.step) {
		size at = (size)row * a.m.channels + l.channel;
		float x[W], d[W];
		read<W>(a.x + at, x);
		gradient_of<W>(a.dy, a.y, at, d);
#pragma unroll
		for (int k = 0; k < W; k++) d[k] = factor[k] * (d[k] - offset[k] - (x[k] - mean[k]) * slope[k]);
		write<W>(a.out + at, d);
	}
}

KERNEL(normalize_images_gradient, normalize_images_gradient_arguments) { BY_WIDTH(input_gradient_of); }
