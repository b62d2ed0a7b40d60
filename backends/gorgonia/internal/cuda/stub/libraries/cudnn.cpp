// Stands for cuDNN: convolutions and their gradients by plain loops, as the descriptors say.
#include "stub.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <vector>

namespace {

enum { SUCCESS = 0, BAD_PARAM = 2000, NOT_SUPPORTED = 3000, NO_MEMORY = 4004, EXECUTION_FAILED = 5000 };
enum { FLOAT = 0, BFLOAT16 = 9 };

struct tensor { int type = -1, format, n, c, h, w; };
struct convolution { int pad_h, pad_w, u, v, dilation_h, dilation_w, mode = -1, compute, math = 0; };
struct handle { void *stream; };
struct performance {
	int algorithm, status;
	float time;
	size_t memory;
	int determinism, math, reserved[3];
};

thread_local char why[200];

int refuse(int status, const char *reason) {
	snprintf(why, sizeof why, "%s", reason);
	return status;
}

size_t elements(const tensor *t) { return (size_t)t->n * t->c * t->h * t->w; }
size_t bytes(const tensor *t) { return elements(t) * (t->type == BFLOAT16 ? 2 : 4); }

size_t at(const tensor *t, int n, int c, int h, int w) {
	if (t->format == 1) return (((size_t)n * t->h + h) * t->w + w) * t->c + c;
	return (((size_t)n * t->c + c) * t->h + h) * t->w + w;
}

float load(const tensor *t, const void *p, size_t i) {
	if (t->type == FLOAT) return ((const float *)p)[i];
	uint32_t u = (uint32_t)((const uint16_t *)p)[i] << 16;
	float f;
	memcpy(&f, &u, 4);
	return f;
}

void store(const tensor *t, void *p, size_t i, float f) {
	if (t->type == FLOAT) {
		((float *)p)[i] = f;
		return;
	}
	uint32_t u;
	memcpy(&u, &f, 4);
	u = f != f ? u | 0x400000 : u + 0x7fff + (u >> 16 & 1);
	((uint16_t *)p)[i] = (uint16_t)(u >> 16);
}

int rows(int size, int pad, int k, int stride) { return (size + 2 * pad - k) / stride + 1; }

// fits says whether images x, filters w, convolution k and images y belong together.
int fits(const tensor *x, const tensor *w, const convolution *k, const tensor *y) {
	if (x->type != w->type || x->type != y->type || (x->type != FLOAT && x->type != BFLOAT16))
		return refuse(NOT_SUPPORTED, "the types of the tensors");
	if (k->mode != 1 || k->compute != FLOAT || k->dilation_h != 1 || k->dilation_w != 1)
		return refuse(BAD_PARAM, "the convolution descriptor");
	if (x->n != y->n || x->c != w->c || y->c != w->n || y->h != rows(x->h, k->pad_h, w->h, k->u) || y->w != rows(x->w, k->pad_w, w->w, k->v))
		return refuse(BAD_PARAM, "the shapes do not match");
	return SUCCESS;
}

size_t wanted(const tensor *x, int algorithm) {
	return algorithm == 2 ? 64ull << 30 : (size_t)stub_setting("cudnn_workspace", 1000) * x->n;
}

// list fills in what the heuristics would say: a fast algorithm in no fixed order, one that wants far too much memory, one that does
// not run, one to take, and a slower one.
int list(const tensor *x, const convolution *k, int requested, int *returned, performance *out) {
	const int algorithms[] = {0, 2, 7, 1, 6};
	*returned = 0;
	if (stub_setting("cudnn_none", 0)) return refuse(NOT_SUPPORTED + 1, "told to have no algorithm");
	for (int a : algorithms) {
		if (*returned == requested) break;
		performance p = {};
		p.algorithm = a;
		p.time = 1;
		p.memory = wanted(x, a);
		p.determinism = a != 0 && !stub_setting("cudnn_any_order", 0);
		p.math = k->math;
		out[(*returned)++] = p;
	}
	return SUCCESS;
}

int workspace(const tensor *x, int algorithm, size_t *size) {
	if (algorithm == 7) return refuse(NOT_SUPPORTED, "algorithm 7");
	*size = wanted(x, algorithm);
	return SUCCESS;
}

// each calls f for all pairs of an element of x and one of y that meet in a tap of a filter.
template <typename F> void each(const tensor *x, const tensor *w, const convolution *k, const tensor *y, F f) {
	for (int n = 0; n < y->n; n++)
		for (int o = 0; o < y->c; o++)
			for (int i = 0; i < y->h; i++)
				for (int j = 0; j < y->w; j++)
					for (int a = 0; a < w->h; a++)
						for (int b = 0; b < w->w; b++) {
							int h = i * k->u + a - k->pad_h, l = j * k->v + b - k->pad_w;
							if (h < 0 || h >= x->h || l < 0 || l >= x->w) continue;
							for (int c = 0; c < x->c; c++) f(at(x, n, c, h, l), at(w, o, c, a, b), at(y, n, o, i, j));
						}
}

// compute starts a convolution or a gradient, which adds to the sums of the result, and spoils the workspace. The descriptors may change.
template <typename F> int compute(handle *h, void *space, size_t size, const tensor *result, void *rp, F add) {
	int failed = stub_start(h->stream, [=, result = *result] {
		if (size && !stub_is_device(space, size)) return stub_fault(); // it was given back after the call
		memset(space, 0xff, size);
		std::vector<double> sums(elements(&result));
		add(sums.data());
		for (size_t i = 0; i < sums.size(); i++) store(&result, rp, i, (float)sums[i]);
	});
	return failed ? refuse(EXECUTION_FAILED, "the stream takes no work") : SUCCESS;
}

// begin checks a call.
int begin(const char *name, const tensor *result, int algorithm, void *space, size_t size, const float *alpha, const float *beta,
	const convolution *k, const tensor *a, const void *ap, const tensor *b, const void *bp, void *rp, const tensor *x) {
	stub_record("%s type %d format %d math %d algorithm %d workspace %zu n %d", name, a->type, a->format, k->math, algorithm, size, x->n);
	if (algorithm == 7 || *alpha != 1 || *beta != 0) return refuse(BAD_PARAM, "alpha, beta or the algorithm");
	if (size < wanted(x, algorithm) || (size && !stub_is_device(space, size))) return refuse(BAD_PARAM, "the workspace");
	if (!stub_is_device(ap, bytes(a)) || !stub_is_device(bp, bytes(b)) || !stub_is_device(rp, bytes(result)))
		return refuse(EXECUTION_FAILED, "an operand is not in the device's memory");
	if (algorithm == stub_setting("cudnn_refused", -1)) return refuse(NOT_SUPPORTED + 1, "told to refuse the algorithm");
	if (!stub_load(name)) return refuse(NO_MEMORY, "no memory for a kernel");
	return (int)stub_setting("cudnn_status", SUCCESS);
}

template <typename T> int made(T **p) {
	*p = new T();
	stub_hold(1);
	return SUCCESS;
}

template <typename T> int gone(T *p) {
	delete p;
	stub_hold(-1);
	return SUCCESS;
}

}

extern "C" {

size_t cudnnGetVersion() { return 90600; }
size_t cudnnGetCudartVersion() { return (size_t)stub_setting("cudnn_cudart", 13000); }
const char *cudnnGetErrorString(int status) {
	return status == BAD_PARAM ? "CUDNN_STATUS_BAD_PARAM" : status == NOT_SUPPORTED ? "CUDNN_STATUS_NOT_SUPPORTED" : "CUDNN_STATUS";
}
void cudnnGetLastErrorString(char *message, size_t size) { snprintf(message, size, "%s", why); }

int cudnnCreate(handle **h) {
	if (int status = (int)stub_setting("cudnn_create", SUCCESS)) return refuse(status, "told to");
	return made(h);
}
int cudnnDestroy(handle *h) { return gone(h); }
int cudnnSetStream(handle *h, void *stream) {
	h->stream = stream;
	return SUCCESS;
}

int cudnnCreateTensorDescriptor(tensor **d) { return made(d); }
int cudnnDestroyTensorDescriptor(tensor *d) { return gone(d); }
int cudnnSetTensor4dDescriptor(tensor *d, int format, int type, int n, int c, int h, int w) {
	if (n < 1 || c < 1 || h < 1 || w < 1) return refuse(BAD_PARAM, "an empty tensor");
	*d = {type, format, n, c, h, w};
	return SUCCESS;
}

int cudnnCreateFilterDescriptor(tensor **d) { return made(d); }
int cudnnDestroyFilterDescriptor(tensor *d) { return gone(d); }
int cudnnSetFilter4dDescriptor(tensor *d, int type, int format, int k, int c, int h, int w) {
	return cudnnSetTensor4dDescriptor(d, format, type, k, c, h, w);
}

int cudnnCreateConvolutionDescriptor(convolution **d) { return made(d); }
int cudnnDestroyConvolutionDescriptor(convolution *d) { return gone(d); }
int cudnnSetConvolution2dDescriptor(convolution *d, int pad_h, int pad_w, int u, int v, int dilation_h, int dilation_w, int mode, int compute) {
	*d = {pad_h, pad_w, u, v, dilation_h, dilation_w, mode, compute, d->math};
	return SUCCESS;
}
int cudnnSetConvolutionMathType(convolution *d, int math) {
	d->math = math;
	return SUCCESS;
}

int cudnnGetConvolutionForwardAlgorithm_v7(handle *, tensor *x, tensor *w, convolution *k, tensor *y, int requested, int *returned, performance *p) {
	if (int e = fits(x, w, k, y)) return e;
	return list(x, k, requested, returned, p);
}
int cudnnGetConvolutionBackwardDataAlgorithm_v7(handle *, tensor *w, tensor *dy, convolution *k, tensor *dx, int requested, int *returned, performance *p) {
	if (int e = fits(dx, w, k, dy)) return e;
	return list(dx, k, requested, returned, p);
}
int cudnnGetConvolutionBackwardFilterAlgorithm_v7(handle *, tensor *x, tensor *dy, convolution *k, tensor *dw, int requested, int *returned, performance *p) {
	if (int e = fits(x, dw, k, dy)) return e;
	return list(x, k, requested, returned, p);
}

int cudnnGetConvolutionForwardWorkspaceSize(handle *, tensor *x, tensor *w, convolution *k, tensor *y, int algorithm, size_t *size) {
	if (int e = fits(x, w, k, y)) return e;
	return workspace(x, algorithm, size);
}
int cudnnGetConvolutionBackwardDataWorkspaceSize(handle *, tensor *w, tensor *dy, convolution *k, tensor *dx, int algorithm, size_t *size) {
	if (int e = fits(dx, w, k, dy)) return e;
	return workspace(dx, algorithm, size);
}
int cudnnGetConvolutionBackwardFilterWorkspaceSize(handle *, tensor *x, tensor *dy, convolution *k, tensor *dw, int algorithm, size_t *size) {
	if (int e = fits(x, dw, k, dy)) return e;
	return workspace(x, algorithm, size);
}

int cudnnConvolutionForward(handle *h, const float *alpha, tensor *x, const void *xp, tensor *w, const void *wp, convolution *k, int algorithm,
	void *space, size_t size, const float *beta, tensor *y, void *yp) {
	if (int e = fits(x, w, k, y)) return e;
	if (int e = begin("cudnnConvolutionForward", y, algorithm, space, size, alpha, beta, k, x, xp, w, wp, yp, x)) return e;
	return compute(h, space, size, y, yp, [=, x = *x, w = *w, k = *k, y = *y](double *sums) {
		each(&x, &w, &k, &y, [&](size_t i, size_t f, size_t o) { sums[o] += (double)load(&x, xp, i) * load(&w, wp, f); });
	});
}

int cudnnConvolutionBackwardData(handle *h, const float *alpha, tensor *w, const void *wp, tensor *dy, const void *dyp, convolution *k, int algorithm,
	void *space, size_t size, const float *beta, tensor *dx, void *dxp) {
	if (int e = fits(dx, w, k, dy)) return e;
	if (int e = begin("cudnnConvolutionBackwardData", dx, algorithm, space, size, alpha, beta, k, w, wp, dy, dyp, dxp, dx)) return e;
	return compute(h, space, size, dx, dxp, [=, dx = *dx, w = *w, k = *k, dy = *dy](double *sums) {
		each(&dx, &w, &k, &dy, [&](size_t i, size_t f, size_t o) { sums[i] += (double)load(&dy, dyp, o) * load(&w, wp, f); });
	});
}

int cudnnConvolutionBackwardFilter(handle *h, const float *alpha, tensor *x, const void *xp, tensor *dy, const void *dyp, convolution *k, int algorithm,
	void *space, size_t size, const float *beta, tensor *dw, void *dwp) {
	if (int e = fits(x, dw, k, dy)) return e;
	if (int e = begin("cudnnConvolutionBackwardFilter", dw, algorithm, space, size, alpha, beta, k, x, xp, dy, dyp, dwp, x)) return e;
	return compute(h, space, size, dw, dwp, [=, x = *x, dw = *dw, k = *k, dy = *dy](double *sums) {
		each(&x, &dw, &k, &dy, [&](size_t i, size_t f, size_t o) { sums[f] += (double)load(&x, xp, i) * load(&dy, dyp, o); });
	});
}

}
