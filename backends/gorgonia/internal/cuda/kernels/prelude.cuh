// What all kernels share. They are CUDA C for NVRTC, without any header of the toolkit; the tests compile the same text by a C++
// compiler for the host (emulate/emulate.h), so it keeps to what both have: one-dimensional blocks, static shared memory,
// __syncthreads; no atomics and no warp intrinsics. Sums are taken in an order that shapes alone decide.
//
// A kernel has one parameter, a struct that kernels_*.go mirrors: pointers first, then long long, then int and float.
#ifdef EMULATED
#include "emulate.h"
#else
#define KERNEL(name, arguments) extern "C" __global__ void __launch_bounds__(256) name(arguments a)
#define SHARED __shared__
#endif

// THREADS is the size of a block, of every kernel.
#define THREADS 256

typedef long long size;

// An image element is a float or, with IMAGE_BF16, the upper half of one, rounded to nearest even. Images are channels-last: [N, H, W, C].
#if IMAGE_BF16
typedef unsigned short image;
__device__ inline float load(const image *p, size i) { return __uint_as_float((unsigned)p[i] << 16); }
__device__ inline void store(image *p, size i, float v) {
	unsigned u = __float_as_uint(v);
	if (v != v)
		u |= 0x400000; // stays a NaN
	else
		u += 0x7fff + (u >> 16 & 1);
	p[i] = (image)(u >> 16);
}
#else
typedef float image;
__device__ inline float load(const image *p, size i) { return p[i]; }
__device__ inline void store(image *p, size i, float v) { p[i] = v; }
#endif

// first and stride make a loop over n elements that any grid covers: for (size i = first(); i < n; i += stride()).
__device__ inline size first() { return (size)blockIdx.x * THREADS + threadIdx.x; }
__device__ inline size stride() { return (size)gridDim.x * THREADS; }

// block_sum is the sum of v over the threads of a block, for all of them, in a fixed order. shared holds THREADS numbers; it may be used
// again at once.
template <typename number> __device__ inline number block_sum(number v, number *shared) {
	__syncthreads();
	shared[threadIdx.x] = v;
	for (int half = THREADS / 2; half > 0; half /= 2) {
		__syncthreads();
		if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
	}
	__syncthreads();
	return shared[0];
}
