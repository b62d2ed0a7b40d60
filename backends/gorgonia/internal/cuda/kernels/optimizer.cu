// Updates of parameters. What all elements share, such as the learning rate, lies in the device's memory.
#include "prelude.cuh"

struct optimizer_arguments {
	const float *average, *p, *grad; // the moving average of gradients, or of their squares
	float *out;
	size n;
	float factor, rest, decay; // rest is 1 - factor
};

KERNEL(velocity, optimizer_arguments) {
	for (size i = first(); i < a.n; i += stride()) a.out[i] = a.factor * a.average[i] + (a.grad[i] + a.decay * a.p[i]);
}

KERNEL(adam_mean, optimizer_arguments) {
	for (size i = first(); i < a.n; i += stride()) a.out[i] = a.factor * a.average[i] + a.rest * (a.grad[i] + a.decay * a.p[i]);
}

KERNEL(adam_square, optimizer_arguments) {
	for (size i = first(); i < a.n; i += stride()) {
		float u = a.grad[i] + a.decay * a.p[i];
		a.out[i] = a.factor * a.average[i] + a.rest * u * u;
	}
}

struct lars_arguments {
	const float *v, *p, *grad, *rate;
	double *squares; // [2, parts]: of the lengths of p and of the decayed gradient
	float *out;
	size n;
	int parts; // 0: the rate is not adapted
	float momentum, decay, trust;
};

// lars_squares has a block for each part.
KERNEL(lars_squares, lars_arguments) {
	SHARED double shared[THREADS];
	double of_p = 0, of_u = 0;
	for (size i = first(); i < a.n; i += stride()) {
		double p = a.p[i], u = a.grad[i] + a.decay * p;
		of_p += p * p;
		of_u += u * u;
	}
	of_p = block_sum(of_p, shared);
	of_u = block_sum(of_u, shared);
	if (threadIdx.x == 0) {
		a.squares[blockIdx.x] = of_p;
		a.squares[a.parts + blockIdx.x] = of_u;
	}
}

// lars_rate is the rate that the lengths make of the learning rate. parts is at most THREADS.
__device__ inline float lars_rate(const lars_arguments &a, double *shared) {
	if (a.parts == 0) return a.rate[0];
	bool has = threadIdx.x < a.parts;
	double of_p = block_sum(has ? a.squares[threadIdx.x] : 0, shared);
	double of_u = block_sum(has ? a.squares[a.parts + threadIdx.x] : 0, shared);
	if (!(of_p > 0 && of_u > 0)) return a.rate[0];
	return (float)(a.rate[0] * (double)a.trust * sqrt(of_p) / sqrt(of_u));
}

KERNEL(lars_velocity, lars_arguments) {
	SHARED double shared[THREADS];
	float rate = lars_rate(a, shared);
	for (size i = first(); i < a.n; i += stride()) a.out[i] = a.momentum * a.v[i] + rate * (a.grad[i] + a.decay * a.p[i]);
}

struct descend_arguments {
	const float *p, *v, *rate; // no rate: 1
	float *out;
	size n;
};

KERNEL(descend, descend_arguments) {
	float rate = a.rate ? a.rate[0] : 1;
	for (size i = first(); i < a.n; i += stride()) a.out[i] = a.p[i] - rate * a.v[i];
}

struct count_arguments {
	const float *n;
	float *out;
};

KERNEL(count, count_arguments) {
	if (first() == 0) a.out[0] = a.n[0] + 1;
}

struct adam_descend_arguments {
	const float *p, *mean, *square, *rate, *step;
	float *out;
	size n;
	double beta1, beta2; // in float32, 1 - 0.999 has few digits
	float eps;
};

KERNEL(adam_descend, adam_descend_arguments) {
	SHARED float of_mean, of_square;
	if (threadIdx.x == 0) {
		of_mean = (float)(a.rate[0] / (1 - pow(a.beta1, (double)a.step[0])));
		of_square = (float)(1 / (1 - pow(a.beta2, (double)a.step[0])));
	}
	__syncthreads();
	for (size i = first(); i < a.n; i += stride())
		a.out[i] = a.p[i] - of_mean * a.mean[i] / (sqrtf(of_square * a.square[i]) + a.eps);
}
