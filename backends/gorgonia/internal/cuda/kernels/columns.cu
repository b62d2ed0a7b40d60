// Operations on the columns of matrices [rows, columns]: sums over rows, and normalisation.
//
// A block has COLUMNS columns and LANES of their rows at a time. A sum is taken in two steps: each block adds up `height` rows into
// parts [part, 2, columns], and then one block adds up all parts of its columns.
#include "prelude.cuh"

enum { COLUMNS = 32, LANES = THREADS / COLUMNS };

struct columns_arguments {
	const float *x, *moments, *dy, *y; // y may be left out
	float *parts, *out;
	int rows, columns, height, count; // count of parts
	float eps;
};

__device__ inline int column_of_thread() { return blockIdx.x * COLUMNS + threadIdx.x % COLUMNS; }
__device__ inline int lane_of_thread() { return threadIdx.x / COLUMNS; }

// A column_pair is two sums over a column.
template <typename number> struct column_pair { number one, two; };

// column_join adds up the lanes of a column, for its first lane.
template <typename number> __device__ inline column_pair<number> column_join(column_pair<number> mine) {
	SHARED number ones[LANES][COLUMNS], twos[LANES][COLUMNS];
	int lane = lane_of_thread(), at = threadIdx.x % COLUMNS;
	ones[lane][at] = mine.one;
	twos[lane][at] = mine.two;
	for (int half = LANES / 2; half > 0; half /= 2) {
		__syncthreads();
		if (lane < half) {
			ones[lane][at] += ones[lane + half][at];
			twos[lane][at] += twos[lane + half][at];
		}
	}
	__syncthreads();
	return {ones[0][at], twos[0][at]};
}

// column_part sums up what term(index, column) returns for the rows of a block.
template <typename terms> __device__ inline void column_part(const columns_arguments &a, terms term) {
	int column = column_of_thread(), lane = lane_of_thread();
	size row = (size)blockIdx.y * a.height + lane, end = ((size)blockIdx.y + 1) * a.height;
	if (end > a.rows) end = a.rows;
	column_pair<float> sum = {0, 0};
	if (column < a.columns) {
#pragma unroll 4
		for (; row < end; row += LANES) {
			column_pair<float> t = term(row * a.columns + column, column);
			sum.one += t.one;
			sum.two += t.two;
		}
	}
	sum = column_join(sum);
	if (lane == 0 && column < a.columns) {
		float *part = a.parts + (size)blockIdx.y * 2 * a.columns;
		part[column] = sum.one;
		part[a.columns + column] = sum.two;
	}
}

// column_total adds up the parts of a column, for its first lane.
__device__ inline column_pair<double> column_total(const columns_arguments &a) {
	int column = column_of_thread();
	column_pair<double> sum = {0, 0};
	if (column < a.columns)
		for (int part = lane_of_thread(); part < a.count; part += LANES) {
			const float *p = a.parts + (size)part * 2 * a.columns;
			sum.one += p[column];
			sum.two += p[a.columns + column];
		}
	return column_join(sum);
}

__device__ inline bool has_total(const columns_arguments &a) { return lane_of_thread() == 0 && column_of_thread() < a.columns; }

KERNEL(column_sum_parts, columns_arguments) {
	column_part(a, [&](size i, int) { return column_pair<float>{a.x[i], 0}; });
}

KERNEL(column_sums, columns_arguments) {
	column_pair<double> total = column_total(a);
	if (has_total(a)) a.out[column_of_thread()] = (float)total.one;
}

// column_deviation_parts sums up differences to the first element of a column, so that a mean far from zero leaves the variance its digits.
KERNEL(column_deviation_parts, columns_arguments) {
	column_part(a, [&](size i, int column) {
		float d = a.x[i] - a.x[column];
		return column_pair<float>{d, d * d};
	});
}

__device__ inline column_pair<double> column_mean_variance(const columns_arguments &a) {
	column_pair<double> total = column_total(a);
	double mean = total.one / a.rows, variance = total.two / a.rows - mean * mean;
	return {mean, variance < 0 ? 0 : variance};
}

KERNEL(column_moments, columns_arguments) {
	column_pair<double> of = column_mean_variance(a);
	int column = column_of_thread();
	if (!has_total(a)) return;
	a.out[column] = (float)(a.x[column] + of.one);
	a.out[a.columns + column] = (float)of.two;
}

// column_deviations are the standard deviations of columns.
KERNEL(column_deviations, columns_arguments) {
	column_pair<double> of = column_mean_variance(a);
	if (has_total(a)) a.out[column_of_thread()] = (float)sqrt(of.two);
}

__device__ inline float gradient_of(const float *dy, const float *y, size i) {
	float d = dy[i];
	return !y || y[i] > 0 ? d : 0;
}

KERNEL(column_gradient_parts, columns_arguments) {
	column_part(a, [&](size i, int column) {
		float d = gradient_of(a.dy, a.y, i);
		return column_pair<float>{d * (a.x[i] - a.moments[column]), d};
	});
}

// column_gradients are those of gamma and beta.
KERNEL(column_gradients, columns_arguments) {
	column_pair<double> total = column_total(a);
	int column = column_of_thread();
	if (!has_total(a)) return;
	a.out[column] = (float)(total.one / sqrt((double)a.moments[a.columns + column] + a.eps));
	a.out[a.columns + column] = (float)total.two;
}

struct column_normalize_arguments {
	const float *x, *moments, *gamma, *beta, *add; // beta and add may be left out
	float *out;
	int rows, columns, height, relu;
	float eps;
};

KERNEL(column_normalize, column_normalize_arguments) {
	int column = column_of_thread();
	if (column >= a.columns) return;
	float mean = a.moments[column], factor = a.gamma[column] / sqrtf(a.moments[a.columns + column] + a.eps);
	float shift = a.beta ? a.beta[column] : 0;
	size end = ((size)blockIdx.y + 1) * a.height;
	if (end > a.rows) end = a.rows;
#pragma unroll 4
	for (size row = (size)blockIdx.y * a.height + lane_of_thread(); row < end; row += LANES) {
		size i = row * a.columns + column;
		float v = (a.x[i] - mean) * factor + shift;
		if (a.add) v += a.add[i];
		a.out[i] = a.relu && v < 0 ? 0 : v;
	}
}

struct column_normalize_grad_arguments {
	const float *x, *moments, *gamma, *dy, *params, *y; // y may be left out
	float *out;
	int rows, columns, height;
	float eps;
};

KERNEL(column_normalize_grad, column_normalize_grad_arguments) {
	int column = column_of_thread();
	if (column >= a.columns) return;
	float mean = a.moments[column], inverse = 1 / sqrtf(a.moments[a.columns + column] + a.eps);
	float factor = a.gamma[column] * inverse, slope = a.params[column] / a.rows * inverse, shift = a.params[a.columns + column] / a.rows;
	size end = ((size)blockIdx.y + 1) * a.height;
	if (end > a.rows) end = a.rows;
#pragma unroll 4
	for (size row = (size)blockIdx.y * a.height + lane_of_thread(); row < end; row += LANES) {
		size i = row * a.columns + column;
		a.out[i] = factor * (gradient_of(a.dy, a.y, i) - shift - (a.x[i] - mean) * slope);
	}
}

struct column_bias_arguments {
	const float *x, *bias;
	float *out;
	int rows, columns, height;
};

KERNEL(column_bias, column_bias_arguments) {
	int column = column_of_thread();
	if (column >= a.columns) return;
	float bias = a.bias[column];
	size end = ((size)blockIdx.y + 1) * a.height;
	if (end > a.rows) end = a.rows;
#pragma unroll 4
	for (size row = (size)blockIdx.y * a.height + lane_of_thread(); row < end; row += LANES) {
		size i = row * a.columns + column;
		a.out[i] = a.x[i] + bias;
	}
}
