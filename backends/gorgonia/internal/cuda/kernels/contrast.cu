// Losses over all pairs of views, given the similarities of the views, [n, n], and a block for each view. The positive of view i is
// i ^ 1. A kernel *_losses yields a number for each view; *_weights replaces similarities by the gradients of n times the loss with
// respect to them, that of a view with itself being 0.
#include "prelude.cuh"

struct contrast_arguments {
	float *similarities;
	float *losses; // [n], of the kernels that yield them
	int n, semi_hard;
	float sharpness; // 1 / temperature
	float margin;
};

__device__ inline float *similarities_of_view(const contrast_arguments &a) { return a.similarities + (size)blockIdx.x * a.n; }
__device__ inline int view() { return blockIdx.x; }
__device__ inline int positive() { return blockIdx.x ^ 1; }
__device__ inline bool is_negative(int j) { return (j | 1) != (view() | 1); }

// block_largest is the largest v of the threads of a block, for all of them.
__device__ inline float block_largest(float v) {
	SHARED float shared[THREADS];
	__syncthreads();
	shared[threadIdx.x] = v;
	for (int half = THREADS / 2; half > 0; half /= 2) {
		__syncthreads();
		if (threadIdx.x < half && shared[threadIdx.x + half] > shared[threadIdx.x]) shared[threadIdx.x] = shared[threadIdx.x + half];
	}
	__syncthreads();
	return shared[0];
}

// A softmax_of_view has the largest similarity to another view, and the sums of exp((s - largest) / temperature).
struct softmax_of_view {
	float largest, of_positive, of_negatives;
};

__device__ inline softmax_of_view softmax(const float *s, const contrast_arguments &a) {
	SHARED float shared[THREADS];
	softmax_of_view of;
	float largest = s[positive()], sum = 0;
	for (int j = threadIdx.x; j < a.n; j += THREADS)
		if (is_negative(j) && s[j] > largest) largest = s[j];
	of.largest = block_largest(largest);
	for (int j = threadIdx.x; j < a.n; j += THREADS)
		if (is_negative(j)) sum += expf((s[j] - of.largest) * a.sharpness);
	of.of_positive = expf((s[positive()] - of.largest) * a.sharpness); // read before block_sum, so that then it may be replaced
	of.of_negatives = block_sum(sum, shared);
	return of;
}

KERNEL(ntxent_losses, contrast_arguments) {
	const float *s = similarities_of_view(a);
	softmax_of_view of = softmax(s, a);
	if (threadIdx.x != 0) return;
	// The small sum is not added to 1 before the logarithm.
	float loss = of.of_positive == 1 ? log1pf(of.of_negatives)
					 : (of.largest - s[positive()]) * a.sharpness + logf(of.of_positive + of.of_negatives);
	a.losses[view()] = loss;
}

KERNEL(ntxent_weights, contrast_arguments) {
	float *s = similarities_of_view(a);
	softmax_of_view of = softmax(s, a);
	float share = a.sharpness / (of.of_positive + of.of_negatives);
	for (int j = threadIdx.x; j < a.n; j += THREADS)
		s[j] = is_negative(j) ? expf((s[j] - of.largest) * a.sharpness) * share : j == positive() ? -of.of_negatives * share : 0;
}

// A candidate is a view and its similarity; view -1 is none.
struct candidate {
	float similarity;
	int view;
};

__device__ inline bool is_nearer(candidate c, candidate than) {
	if (c.view < 0 || than.view < 0) return than.view < c.view;
	return c.similarity > than.similarity || (c.similarity == than.similarity && c.view < than.view);
}

// semi_hard_view is the nearest of the negatives that are farther than the positive, of equals the first, or -1, for all threads.
__device__ inline int semi_hard_view(const float *s, const contrast_arguments &a) {
	SHARED candidate shared[THREADS];
	candidate nearest = {0, -1};
	float limit = s[positive()];
	for (int j = threadIdx.x; j < a.n; j += THREADS) {
		candidate c = {s[j], j};
		if (is_negative(j) && s[j] < limit && is_nearer(c, nearest)) nearest = c;
	}
	__syncthreads();
	shared[threadIdx.x] = nearest;
	for (int half = THREADS / 2; half > 0; half /= 2) {
		__syncthreads();
		if (threadIdx.x < half && is_nearer(shared[threadIdx.x + half], shared[threadIdx.x])) shared[threadIdx.x] = shared[threadIdx.x + half];
	}
	__syncthreads();
	return shared[0].view;
}

// negatives_sum is the sum of term(similarity) over the negatives of a view, for all threads, and share 1 / their number.
template <typename terms> __device__ inline float negatives_sum(const float *s, const contrast_arguments &a, float *share, terms term) {
	SHARED float shared[THREADS];
	if (a.semi_hard) {
		int j = semi_hard_view(s, a);
		*share = 1;
		return j < 0 ? 0 : term(s[j]);
	}
	*share = 1.0f / (a.n - 2);
	float sum = 0;
	for (int j = threadIdx.x; j < a.n; j += THREADS)
		if (is_negative(j)) sum += term(s[j]);
	return block_sum(sum, shared);
}

// weigh_negatives replaces the similarities of a view by term(similarity) / their number, and by 0 elsewhere; that of the positive
// by of_positive.
template <typename terms> __device__ inline void weigh_negatives(float *s, const contrast_arguments &a, float of_positive, terms term) {
	int only = a.semi_hard ? semi_hard_view(s, a) : -1;
	float share = a.semi_hard ? 1 : 1.0f / (a.n - 2);
	__syncthreads(); // all threads have read the positive
	for (int j = threadIdx.x; j < a.n; j += THREADS) {
		bool taken = a.semi_hard ? j == only : is_negative(j);
		s[j] = taken ? term(s[j]) * share : j == positive() ? of_positive : 0;
	}
}

// softplus is log(1 + exp(x)), which is -log sigmoid(-x).
__device__ inline float softplus(float x) { return (x > 0 ? x : 0) + log1pf(expf(-fabsf(x))); }
__device__ inline float sigmoid(float x) { return 1 / (1 + expf(-x)); }

KERNEL(ntlogistic_losses, contrast_arguments) {
	const float *s = similarities_of_view(a);
	float share, sum = negatives_sum(s, a, &share, [&](float v) { return softplus(v * a.sharpness); });
	if (threadIdx.x == 0) a.losses[view()] = softplus(-s[positive()] * a.sharpness) + sum * share;
}

KERNEL(ntlogistic_weights, contrast_arguments) {
	float *s = similarities_of_view(a);
	float of_positive = -sigmoid(-s[positive()] * a.sharpness) * a.sharpness;
	weigh_negatives(s, a, of_positive, [&](float v) { return sigmoid(v * a.sharpness) * a.sharpness; });
}

KERNEL(triplet_losses, contrast_arguments) {
	const float *s = similarities_of_view(a);
	float limit = s[positive()];
	float share, sum = negatives_sum(s, a, &share, [&](float v) {
		float excess = v - limit + a.margin;
		return excess > 0 ? excess : 0;
	});
	if (threadIdx.x == 0) a.losses[view()] = sum * share;
}

KERNEL(triplet_weights, contrast_arguments) {
	float *s = similarities_of_view(a);
	float limit = s[positive()];
	auto counts = [&](float v) { return v - limit + a.margin > 0 ? 1.0f : 0.0f; };
	float share, sum = negatives_sum(s, a, &share, counts);
	weigh_negatives(s, a, -sum * share, counts);
}

// nearest_positives yields 1 where no other view is nearer than the positive, 0 elsewhere.
KERNEL(nearest_positives, contrast_arguments) {
	const float *s = similarities_of_view(a);
	float limit = s[positive()], largest = limit;
	for (int j = threadIdx.x; j < a.n; j += THREADS)
		if (is_negative(j) && s[j] > largest) largest = s[j];
	largest = block_largest(largest);
	if (threadIdx.x == 0) a.losses[view()] = largest > limit ? 0 : 1;
}

struct symmetrize_arguments {
	float *s;
	int n;
	float factor;
};

enum { SYMMETRIC_SIDE = 32, SYMMETRIC_LANES = THREADS / SYMMETRIC_SIDE };

// symmetrize sets s [n, n] to factor * (s + transposed s). A block has a tile on or above the diagonal, and the one opposite.
KERNEL(symmetrize, symmetrize_arguments) {
	SHARED float upper[SYMMETRIC_SIDE][SYMMETRIC_SIDE + 1], lower[SYMMETRIC_SIDE][SYMMETRIC_SIDE + 1];
	if (blockIdx.x < blockIdx.y) return;
	int top = blockIdx.y * SYMMETRIC_SIDE, left = blockIdx.x * SYMMETRIC_SIDE;
	int lane = threadIdx.x / SYMMETRIC_SIDE, column = threadIdx.x % SYMMETRIC_SIDE;
	for (int i = lane; i < SYMMETRIC_SIDE; i += SYMMETRIC_LANES) {
		if (top + i < a.n && left + column < a.n) upper[i][column] = a.s[(size)(top + i) * a.n + left + column];
		if (left + i < a.n && top + column < a.n) lower[i][column] = a.s[(size)(left + i) * a.n + top + column];
	}
	__syncthreads();
	for (int i = lane; i < SYMMETRIC_SIDE; i += SYMMETRIC_LANES) {
		if (top + i < a.n && left + column < a.n)
			a.s[(size)(top + i) * a.n + left + column] = a.factor * (upper[i][column] + lower[column][i]);
		if (left + i < a.n && top + column < a.n)
			a.s[(size)(left + i) * a.n + top + column] = a.factor * (lower[i][column] + upper[column][i]);
	}
}
