// Losses of logits [rows, classes] and labels, a block for each row. A label that is no class makes NaN of its row.
#include "prelude.cuh"

struct labels_arguments {
	const float *logits;
	const int *labels;
	float *out; // [rows], or like logits
	int rows, classes;
};

__device__ inline float not_a_number() { return __uint_as_float(0x7fc00000); }

// A largest_logit is the largest element of a row, and the first index that has it.
struct largest_logit {
	float value;
	int index;
};

__device__ inline bool is_larger(largest_logit a, largest_logit b) {
	return a.value > b.value || (a.value == b.value && a.index < b.index);
}

// largest_of is that of a row of logits, for all threads.
__device__ inline largest_logit largest_of(const float *logits, int classes) {
	SHARED largest_logit shared[THREADS];
	largest_logit mine = {logits[0], 0};
	for (int i = threadIdx.x; i < classes; i += THREADS) {
		largest_logit next = {logits[i], i};
		if (is_larger(next, mine)) mine = next;
	}
	__syncthreads();
	shared[threadIdx.x] = mine;
	for (int half = THREADS / 2; half > 0; half /= 2) {
		__syncthreads();
		if (threadIdx.x < half && is_larger(shared[threadIdx.x + half], shared[threadIdx.x])) shared[threadIdx.x] = shared[threadIdx.x + half];
	}
	__syncthreads();
	return shared[0];
}

// sum_of_others is the sum of exp(logit - largest) over all elements but the largest, for all threads.
__device__ inline float sum_of_others(const float *logits, int classes, largest_logit largest, float *shared) {
	float sum = 0;
	for (int i = threadIdx.x; i < classes; i += THREADS)
		if (i != largest.index) sum += expf(logits[i] - largest.value);
	return block_sum(sum, shared);
}

KERNEL(cross_entropy_rows, labels_arguments) {
	SHARED float shared[THREADS];
	const float *logits = a.logits + (size)blockIdx.x * a.classes;
	int label = a.labels[blockIdx.x];
	largest_logit largest = largest_of(logits, a.classes);
	float others = sum_of_others(logits, a.classes, largest, shared);
	if (threadIdx.x == 0)
		a.out[blockIdx.x] = label < 0 || label >= a.classes ? not_a_number() : largest.value - logits[label] + log1pf(others);
}

KERNEL(cross_entropy_grad, labels_arguments) {
	SHARED float shared[THREADS];
	size row = (size)blockIdx.x * a.classes;
	const float *logits = a.logits + row;
	int label = a.labels[blockIdx.x];
	largest_logit largest = largest_of(logits, a.classes);
	float others = sum_of_others(logits, a.classes, largest, shared);
	float share = 1 / ((1 + others) * a.rows);
	if (label < 0 || label >= a.classes) share = not_a_number();
	for (int i = threadIdx.x; i < a.classes; i += THREADS) {
		float p = expf(logits[i] - largest.value) * share;
		if (i == label) p = i == largest.index ? -others * share : p - 1.0f / a.rows; // not p - 1 where p is nearly 1
		a.out[row + i] = p;
	}
}

KERNEL(label_hits, labels_arguments) {
	int label = a.labels[blockIdx.x];
	largest_logit largest = largest_of(a.logits + (size)blockIdx.x * a.classes, a.classes);
	if (threadIdx.x == 0) a.out[blockIdx.x] = label < 0 || label >= a.classes ? not_a_number() : label == largest.index;
}
