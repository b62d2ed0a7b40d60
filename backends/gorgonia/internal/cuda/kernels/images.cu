// What is done to images element by element, and what makes images of other tensors and back.
#include "prelude.cuh"
#include "pixels.cuh"

struct images_arguments {
	const image *x, *y; // y is null where an operation has one operand
	image *out;         // may be x or y
	size n;
	float factor;
};

// elementwise sets out[i] = f(x[i], y[i], factor), 16 bytes at a time. The elements left over are the first block's.
template <bool TWO, typename F> __device__ inline void elementwise(const images_arguments &a, F f) {
	size pieces = a.n / WIDE;
	for (size i = first(); i < pieces; i += stride()) {
		float x[WIDE], y[WIDE] = {};
		read<WIDE>(a.x + i * WIDE, x);
		if (TWO) read<WIDE>(a.y + i * WIDE, y);
#pragma unroll
		for (int k = 0; k < WIDE; k++) x[k] = f(x[k], y[k], a.factor);
		write<WIDE>(a.out + i * WIDE, x);
	}
	size i = pieces * WIDE + threadIdx.x;
	if (blockIdx.x == 0 && i < a.n) store(a.out, i, f(load(a.x, i), TWO ? load(a.y, i) : 0, a.factor));
}

KERNEL(add_images, images_arguments) {
	elementwise<true>(a, [](float x, float y, float) { return x + y; });
}

KERNEL(relu_images, images_arguments) {
	elementwise<false>(a, [](float x, float, float) { return x < 0 ? 0 : x; }); // NaN stays
}

KERNEL(relu_gradient_images, images_arguments) {
	elementwise<true>(a, [](float y, float dy, float) { return y > 0 ? dy : 0; });
}

KERNEL(scale_images, images_arguments) {
	elementwise<false>(a, [](float x, float, float factor) { return x * factor; });
}

KERNEL(lerp_images, images_arguments) {
	elementwise<true>(a, [](float x, float y, float t) { return x + (y - x) * t; });
}

#define TILE 32 // of a transposition: TILE by TILE elements in shared memory, with a column more against bank conflicts

struct arrange_images_arguments {
	const float *x; // [N, channels, area]
	image *out;
	int channels, area, tiles; // tiles of an area; blockIdx.x is a tile of an image, blockIdx.y one of channels
};

KERNEL(arrange_images, arrange_images_arguments) {
	SHARED float tile[TILE][TILE + 1];
	size image_start = (size)(blockIdx.x / a.tiles) * a.channels * a.area;
	int pixel = (int)(blockIdx.x % a.tiles) * TILE, channel = blockIdx.y * TILE, x = threadIdx.x % TILE;
	for (int y = threadIdx.x / TILE; y < TILE; y += THREADS / TILE)
		if (channel + y < a.channels && pixel + x < a.area)
			tile[y][x] = a.x[image_start + (size)(channel + y) * a.area + pixel + x];
	__syncthreads();
	for (int y = threadIdx.x / TILE; y < TILE; y += THREADS / TILE)
		if (channel + x < a.channels && pixel + y < a.area)
			store(a.out, image_start + (size)(pixel + y) * a.channels + channel + x, tile[x][y]);
}

struct flatten_images_arguments {
	const image *x;
	float *out; // [N, channels, area]
	int channels, area, tiles;
};

KERNEL(flatten_images, flatten_images_arguments) {
	SHARED float tile[TILE][TILE + 1];
	size image_start = (size)(blockIdx.x / a.tiles) * a.channels * a.area;
	int pixel = (int)(blockIdx.x % a.tiles) * TILE, channel = blockIdx.y * TILE, x = threadIdx.x % TILE;
	for (int y = threadIdx.x / TILE; y < TILE; y += THREADS / TILE)
		if (channel + x < a.channels && pixel + y < a.area)
			tile[x][y] = load(a.x, image_start + (size)(pixel + y) * a.channels + channel + x);
	__syncthreads();
	for (int y = threadIdx.x / TILE; y < TILE; y += THREADS / TILE)
		if (channel + y < a.channels && pixel + x < a.area)
			a.out[image_start + (size)(channel + y) * a.area + pixel + x] = tile[y][x];
}

struct pixels_arguments {
	const unsigned char *pixels; // [N, H, W, 3]
	void *out;
	size n;                    // bytes or, for planes, pixels
	int area;                  // of planes
	float factor[3], shift[3]; // of channels: byte * factor + shift
};

// pixels_to_images makes images [N, H, W, 3]. A thread has 4 bytes.
KERNEL(pixels_to_images, pixels_arguments) {
	image *out = (image *)a.out;
	size pieces = (a.n + 3) / 4;
	for (size i = first(); i < pieces; i += stride()) {
		int channel = (int)(i % 3);
		float factor[4], shift[4];
#pragma unroll
		for (int k = 0; k < 4; k++) {
			factor[k] = channel == 0 ? a.factor[0] : channel == 1 ? a.factor[1] : a.factor[2];
			shift[k] = channel == 0 ? a.shift[0] : channel == 1 ? a.shift[1] : a.shift[2];
			channel = channel == 2 ? 0 : channel + 1;
		}
		if (4 * i + 4 > a.n) {
			for (int k = 0; 4 * i + k < a.n; k++) store(out, 4 * i + k, a.pixels[4 * i + k] * factor[k] + shift[k]);
			continue;
		}
		unsigned bytes = ((const unsigned *)a.pixels)[i];
		float v[4];
#pragma unroll
		for (int k = 0; k < 4; k++) v[k] = (float)(bytes >> 8 * k & 255) * factor[k] + shift[k];
#if IMAGE_BF16
		struct alignas(8) pair { unsigned w[2]; };
		*(pair *)(out + 4 * i) = pair{{pack(v[0], v[1]), pack(v[2], v[3])}};
#else
		write<4>(out + 4 * i, v);
#endif
	}
}

// pixels_to_planes makes floats [N, 3, H, W]. A thread has a pixel.
KERNEL(pixels_to_planes, pixels_arguments) {
	float *out = (float *)a.out;
	for (size i = first(); i < a.n; i += stride()) {
		size to = i / a.area * 3 * a.area + i % a.area;
#pragma unroll
		for (int c = 0; c < 3; c++) out[to + (size)c * a.area] = a.pixels[3 * i + c] * a.factor[c] + a.shift[c];
	}
}
