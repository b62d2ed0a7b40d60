// The operations of a training step that take its time, in C, over blocked tensors.
//
// A blocked tensor [n, c, h, w] lies in memory as [n, ceil(c/16), h, w, 16]: the channels of a block are neighbours, so each
// pixel is one vector. Lanes beyond c are zero and stay zero. Filters are plain, [o, c, k, k].
//
// Results depend neither on the team nor on the order in which it runs the tasks of an operation: work is divided by the
// shapes alone.
#ifndef GOCLR_KERNELS_H
#define GOCLR_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum { LANES = 16 };

static inline size_t blocks(size_t channels) { return (channels + LANES - 1) / LANES; }

// A team runs task(job, i) for each i below n, at the same time where it can, and returns when all are done.
struct team {
	void (*run)(const struct team *t, void (*task)(void *job, size_t i), void *job, size_t n);
};

// A convolution of x [n, c, h, w] with filters [o, c, k, k] to y [n, o, oh, ow].
struct conv {
	size_t n, c, h, w, o, k, stride, pad, oh, ow;
};

// Pixels are the bytes of images [n, h, w, 3] that a convolution reads as byte*scale + offset, padded with zeros.
struct pixels {
	const uint8_t *bytes;
	float scale[3], offset[3];
};

// A batch normalisation over x [n, c, pixels]. A pointer may be NULL where the operation does without the operand.
struct norm {
	size_t n, c, pixels;
	float eps;
	int relu;
	const float *x, *mean, *variance, *gamma, *beta, *add;
	const float *y; // in gradients: the result of the ReLU whose gradient comes first, or NULL
};

// A pooling of x [n, c, h, w] to y [n, c, oh, ow] by windows of k by k.
struct pool {
	size_t n, c, h, w, k, stride, pad, oh, ow;
};

// All return 0, or -1 where there is no memory for their scratch.
struct kernels {
	int (*conv)(const struct conv *s, const float *x, const float *w, float *y, const struct team *t);
	int (*conv_grad_input)(const struct conv *s, const float *dy, const float *w, float *dx, const struct team *t);
	int (*conv_grad_filter)(const struct conv *s, const float *x, const float *dy, float *dw, const struct team *t);
	int (*conv_pixels)(const struct conv *s, const struct pixels *x, const float *w, float *y, const struct team *t);
	int (*conv_pixels_grad_filter)(const struct conv *s, const struct pixels *x, const float *dy, float *dw, const struct team *t);

	int (*moments)(const struct norm *s, float *mean, float *variance, const struct team *t);
	int (*normalize)(const struct norm *s, float *y, const struct team *t);
	int (*normalize_grad_params)(const struct norm *s, const float *dy, float *dgamma, float *dbeta, const struct team *t);
	int (*normalize_grad_input)(const struct norm *s, const float *dy, const float *dgamma, const float *dbeta, float *dx, const struct team *t);

	int (*relu_grad)(size_t size, const float *y, const float *dy, float *dx, const struct team *t);
	int (*max_pool)(const struct pool *s, const float *x, float *y, const struct team *t);
	int (*max_pool_grad)(const struct pool *s, const float *x, const float *dy, float *dx, const struct team *t);
	int (*avg_pool)(size_t n, size_t c, size_t pixels, const float *x, float *y, const struct team *t);        // y is plain [n, c]
	int (*avg_pool_grad)(size_t n, size_t c, size_t pixels, const float *dy, float *dx, const struct team *t); // dy is plain [n, c]
	int (*block)(size_t n, size_t c, size_t pixels, const float *plain, float *blocked, const struct team *t);
	int (*unblock)(size_t n, size_t c, size_t pixels, const float *blocked, float *plain, const struct team *t);

	// out is momentum*v + grad + decay*p, or p - rate*v. They are tensors of any shape, aligned to no more than a number.
	int (*velocity)(size_t size, const float *v, const float *p, const float *grad, float momentum, float decay, float *out, const struct team *t);
	int (*descend)(size_t size, const float *p, const float *v, float rate, float *out, const struct team *t);

	// Of tensors of any shape, aligned to no more than a number; out may be an operand. relu is max(0, x), and NaN where x is.
	int (*add)(size_t size, const float *a, const float *b, float *out, const struct team *t);
	int (*relu)(size_t size, const float *x, float *out, const struct team *t);

	// out [m, n] is op(a) [m, k] times op(b) [k, n], row-major, aligned to no more than a number; out is no operand. op(a) is a or,
	// with trans_a, the transpose of a [k, m]; op(b) likewise.
	int (*matmul)(size_t m, size_t n, size_t k, const float *a, int trans_a, const float *b, int trans_b, float *out, const struct team *t);
	// The rows of NT-Xent over similarities s [n, n], row-major, n even: the candidates of row i are all others, its positive is i^1.
	//
	//	losses[i]    = logsumexp_j(s[i][j]/temperature) - s[i][i^1]/temperature
	//	weights[i][j] = (softmax_j(s[i][j]/temperature) - (j == i^1)) / (temperature*n), and 0 where j == i
	//
	// weights are the gradient of the mean loss by s; they may be NULL, or s itself.
	int (*ntxent_rows)(size_t n, const float *s, double temperature, float *losses, float *weights, const struct team *t);
};

// A level is a set of instructions that the kernels are compiled for.
enum { BASELINE, AVX2, AVX512 };

// goclr_step_kernels returns the kernels of a level; the CPU must have it.
const struct kernels *goclr_step_kernels(int level);

// goclr_step_compiler names what compiled them.
const char *goclr_step_compiler(void);

// goclr_take returns memory for at least size floats, aligned to 64 bytes, or NULL. goclr_give takes it back, to be taken again: a step
// needs the same blocks again and again, and those from the system come as pages yet to be mapped.
float *goclr_take(size_t size);
void goclr_give(float *memory);

#endif
