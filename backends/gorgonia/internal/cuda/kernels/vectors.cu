// Operations on the rows of matrices [rows, features], a block for each row, and means of numbers.
#include "prelude.cuh"

struct vectors_arguments {
	const float *x, *y, *dy;
	float *out;
	int features;
	float eps;
};

// vector_dot is the sum of the products of elements, for all threads. double, since squares of float32 reach further than float32.
__device__ inline double vector_dot(const float *x, const float *y, int n, double *shared) {
	double sum = 0;
	for (int i = threadIdx.x; i < n; i += THREADS) sum += (double)x[i] * y[i];
	return block_sum(sum, shared);
}

// vector_inverse is 1 / max(length of x, eps).
__device__ inline double vector_inverse(const float *x, int n, float eps, double *shared) {
	double length = sqrt(vector_dot(x, x, n, shared));
	return 1 / (length < eps ? eps : length);
}

KERNEL(l2_normalize, vectors_arguments) {
	SHARED double shared[THREADS];
	size row = (size)blockIdx.x * a.features;
	const float *x = a.x + row;
	double inverse = vector_inverse(x, a.features, a.eps, shared);
	for (int i = threadIdx.x; i < a.features; i += THREADS) a.out[row + i] = (float)(x[i] * inverse);
}

KERNEL(l2_normalize_grad, vectors_arguments) {
	SHARED double shared[THREADS];
	size row = (size)blockIdx.x * a.features;
	const float *y = a.y + row, *dy = a.dy + row;
	double inverse = vector_inverse(a.x + row, a.features, a.eps, shared);
	double along = vector_dot(y, dy, a.features, shared);
	for (int i = threadIdx.x; i < a.features; i += THREADS) a.out[row + i] = (float)((dy[i] - y[i] * along) * inverse);
}

struct scaled_sum_arguments {
	const float *values;
	float *out;
	size n;
	float factor;
};

// scaled_sum is factor times the sum of the values; one block.
KERNEL(scaled_sum, scaled_sum_arguments) {
	SHARED double shared[THREADS];
	double sum = 0;
	for (size i = threadIdx.x; i < a.n; i += THREADS) sum += a.values[i];
	sum = block_sum(sum, shared);
	if (threadIdx.x == 0) a.out[0] = (float)(sum * a.factor);
}
