// Elementwise operations on tensors of float32, and copies.
#include "prelude.cuh"

struct plain_elementwise_arguments {
	const float *a, *b;
	float *out;
	size n;
	float factor;
};

KERNEL(plain_relu, plain_elementwise_arguments) {
	for (size i = first(); i < a.n; i += stride()) {
		float v = a.a[i];
		a.out[i] = v < 0 ? 0 : v; // NaN stays
	}
}

KERNEL(plain_relu_grad, plain_elementwise_arguments) {
	for (size i = first(); i < a.n; i += stride()) {
		float dy = a.b[i];
		a.out[i] = a.a[i] > 0 ? dy : 0;
	}
}

KERNEL(plain_add, plain_elementwise_arguments) {
	for (size i = first(); i < a.n; i += stride()) a.out[i] = a.a[i] + a.b[i];
}

KERNEL(plain_scale, plain_elementwise_arguments) {
	for (size i = first(); i < a.n; i += stride()) a.out[i] = a.factor * a.a[i];
}

KERNEL(plain_lerp, plain_elementwise_arguments) {
	for (size i = first(); i < a.n; i += stride()) {
		float v = a.a[i];
		a.out[i] = v + (a.b[i] - v) * a.factor;
	}
}

KERNEL(plain_copy, plain_elementwise_arguments) {
	for (size i = first(); i < a.n; i += stride()) a.out[i] = a.a[i];
}

// plain_stack appends b to a, which have n elements each.
KERNEL(plain_stack, plain_elementwise_arguments) {
	for (size i = first(); i < a.n; i += stride()) {
		a.out[i] = a.a[i];
		a.out[a.n + i] = a.b[i];
	}
}
