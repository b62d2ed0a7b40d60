#include "operators.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "../internal/kernel/kernels.h"
#include "ortapi.h"

enum { MAX_INTS = 8, MAX_FLOATS = 6 };

// A call is an operator of a model at work: what it reads and writes, and the threads of the session.
struct call {
	struct team team; // first, so that a team is its call
	const OrtApi *api;
	OrtKernelContext *context;
	OrtStatus *failure; // the first one
	const struct kernels *kernels;
	const int64_t *ints;
	const float *floats;
	size_t n; // images, from the first dimension of the first input
};

// An operator has one attribute "ints" and one "floats" of fixed lengths; its compute function says what they are.
struct operator {
	OrtCustomOp base;
	const char *name;
	size_t required, inputs, outputs, ints, floats;
	int bytes; // the first input is of bytes, all else of floats
	size_t (*in_place)(int **inputs, int **outputs); // which input an output may take the place of
	int (*compute)(struct call *c);
	const struct kernels *kernels; // set where it is registered
};

// An instance is an operator at one place of a model.
struct instance {
	const struct operator *op;
	const OrtApi *api;
	int64_t ints[MAX_INTS];
	float floats[MAX_FLOATS];
};

static void keep(struct call *c, OrtStatus *status) {
	if (!status) return;
	if (c->failure)
		ORT(c->api, ReleaseStatus, status);
	else
		c->failure = status;
}

// input is the data of input i, or NULL where it is left out.
static const void *input(struct call *c, size_t i) {
	size_t count = 0;
	const OrtValue *value = NULL;
	void *data = NULL;
	keep(c, ORT(c->api, KernelContext_GetInputCount, c->context, &count));
	if (i < count) keep(c, ORT(c->api, KernelContext_GetInput, c->context, i, &value));
	if (value) keep(c, ORT(c->api, GetTensorMutableData, (OrtValue *)value, &data));
	return data;
}

static float *output(struct call *c, size_t i, const int64_t *dims, size_t rank) {
	OrtValue *value = NULL;
	void *data = NULL;
	keep(c, ORT(c->api, KernelContext_GetOutput, c->context, i, dims, rank, &value));
	if (value) keep(c, ORT(c->api, GetTensorMutableData, value, &data));
	return data;
}

static float *blocked(struct call *c, size_t channels, size_t h, size_t w) {
	const int64_t dims[] = {(int64_t)c->n, (int64_t)blocks(channels), (int64_t)h, (int64_t)w, LANES};
	return output(c, 0, dims, 5);
}

static float *vector(struct call *c, size_t i, int64_t length) { return output(c, i, &length, 1); }

static float *filters(struct call *c, const struct conv *s) {
	const int64_t dims[] = {(int64_t)s->o, (int64_t)s->c, (int64_t)s->k, (int64_t)s->k};
	return output(c, 0, dims, 4);
}

// The attributes "ints", in this order.
static struct conv conv_of(const struct call *c) {
	const int64_t *i = c->ints;
	struct conv s = {.n = c->n, .c = i[0], .h = i[1], .w = i[2], .o = i[3], .k = i[4], .stride = i[5], .pad = i[6]};
	s.oh = (s.h + 2 * s.pad - s.k) / s.stride + 1;
	s.ow = (s.w + 2 * s.pad - s.k) / s.stride + 1;
	return s;
}

static struct pool pool_of(const struct call *c) {
	const int64_t *i = c->ints;
	struct pool s = {.n = c->n, .c = i[0], .h = i[1], .w = i[2], .k = i[3], .stride = i[4], .pad = i[5]};
	s.oh = (s.h + 2 * s.pad - s.k) / s.stride + 1;
	s.ow = (s.w + 2 * s.pad - s.k) / s.stride + 1;
	return s;
}

static struct pixels pixels_of(struct call *c) {
	struct pixels p = {.bytes = input(c, 0)};
	memcpy(p.scale, c->floats, sizeof p.scale);
	memcpy(p.offset, c->floats + 3, sizeof p.offset);
	return p;
}

static struct norm norm_of(struct call *c) {
	const int64_t *i = c->ints;
	return (struct norm){.n = c->n, .c = i[0], .pixels = (size_t)(i[1] * i[2]), .eps = c->floats[0], .x = input(c, 0),
	                     .mean = input(c, 1), .variance = input(c, 2)};
}

static int compute_block(struct call *c) {
	const int64_t *i = c->ints;
	float *y = blocked(c, i[0], i[1], i[2]);
	return y ? c->kernels->block(c->n, i[0], i[1] * i[2], input(c, 0), y, &c->team) : -1;
}

static int compute_unblock(struct call *c) {
	const int64_t *i = c->ints, dims[] = {(int64_t)c->n, i[0], i[1], i[2]};
	float *y = output(c, 0, dims, 4);
	return y ? c->kernels->unblock(c->n, i[0], i[1] * i[2], input(c, 0), y, &c->team) : -1;
}

static int compute_conv(struct call *c) {
	struct conv s = conv_of(c);
	float *y = blocked(c, s.o, s.oh, s.ow);
	return y ? c->kernels->conv(&s, input(c, 0), input(c, 1), y, &c->team) : -1;
}

static int compute_conv_grad_input(struct call *c) {
	struct conv s = conv_of(c);
	float *dx = blocked(c, s.c, s.h, s.w);
	return dx ? c->kernels->conv_grad_input(&s, input(c, 0), input(c, 1), dx, &c->team) : -1;
}

static int compute_conv_grad_filter(struct call *c) {
	struct conv s = conv_of(c);
	float *dw = filters(c, &s);
	return dw ? c->kernels->conv_grad_filter(&s, input(c, 0), input(c, 1), dw, &c->team) : -1;
}

static int compute_conv_pixels(struct call *c) {
	struct conv s = conv_of(c);
	struct pixels x = pixels_of(c);
	float *y = blocked(c, s.o, s.oh, s.ow);
	return y ? c->kernels->conv_pixels(&s, &x, input(c, 1), y, &c->team) : -1;
}

static int compute_conv_pixels_grad_filter(struct call *c) {
	struct conv s = conv_of(c);
	struct pixels x = pixels_of(c);
	float *dw = filters(c, &s);
	return dw ? c->kernels->conv_pixels_grad_filter(&s, &x, input(c, 1), dw, &c->team) : -1;
}

static int compute_moments(struct call *c) {
	const int64_t *i = c->ints;
	struct norm s = {.n = c->n, .c = i[0], .pixels = (size_t)(i[1] * i[2]), .x = input(c, 0)};
	float *mean = vector(c, 0, i[0]), *variance = vector(c, 1, i[0]);
	return mean && variance ? c->kernels->moments(&s, mean, variance, &c->team) : -1;
}

// ints[3] is 1 where a ReLU follows.
static int compute_normalize(struct call *c) {
	struct norm s = norm_of(c);
	s.gamma = input(c, 3), s.beta = input(c, 4), s.add = input(c, 5), s.relu = (int)c->ints[3];
	float *y = blocked(c, s.c, c->ints[1], c->ints[2]);
	return y ? c->kernels->normalize(&s, y, &c->team) : -1;
}

static int compute_normalize_grad_params(struct call *c) {
	struct norm s = norm_of(c);
	s.y = input(c, 4);
	float *dgamma = vector(c, 0, c->ints[0]), *dbeta = vector(c, 1, c->ints[0]);
	return dgamma && dbeta ? c->kernels->normalize_grad_params(&s, input(c, 3), dgamma, dbeta, &c->team) : -1;
}

static int compute_normalize_grad_input(struct call *c) {
	struct norm s = norm_of(c);
	s.gamma = input(c, 3), s.y = input(c, 7);
	float *dx = blocked(c, s.c, c->ints[1], c->ints[2]);
	return dx ? c->kernels->normalize_grad_input(&s, input(c, 6), input(c, 4), input(c, 5), dx, &c->team) : -1;
}

static int compute_relu_grad(struct call *c) {
	const int64_t *i = c->ints;
	float *dx = blocked(c, i[0], i[1], i[2]);
	return dx ? c->kernels->relu_grad(c->n * blocks(i[0]) * i[1] * i[2] * LANES, input(c, 0), input(c, 1), dx, &c->team) : -1;
}

static int compute_max_pool(struct call *c) {
	struct pool s = pool_of(c);
	float *y = blocked(c, s.c, s.oh, s.ow);
	return y ? c->kernels->max_pool(&s, input(c, 0), y, &c->team) : -1;
}

static int compute_max_pool_grad(struct call *c) {
	struct pool s = pool_of(c);
	float *dx = blocked(c, s.c, s.h, s.w);
	return dx ? c->kernels->max_pool_grad(&s, input(c, 0), input(c, 1), dx, &c->team) : -1;
}

static int compute_avg_pool(struct call *c) {
	const int64_t *i = c->ints, dims[] = {(int64_t)c->n, i[0]};
	float *y = output(c, 0, dims, 2);
	return y ? c->kernels->avg_pool(c->n, i[0], i[1] * i[2], input(c, 0), y, &c->team) : -1;
}

static int compute_avg_pool_grad(struct call *c) {
	const int64_t *i = c->ints;
	float *dx = blocked(c, i[0], i[1], i[2]);
	return dx ? c->kernels->avg_pool_grad(c->n, i[0], i[1] * i[2], input(c, 0), dx, &c->team) : -1;
}

// same is an output of the shape in ints, of *size numbers.
static float *same(struct call *c, size_t *size) {
	size_t rank = (size_t)c->ints[0];
	*size = 1;
	for (size_t i = 0; i < rank; i++) *size *= (size_t)c->ints[1 + i];
	return output(c, 0, c->ints + 1, rank);
}

static int compute_velocity(struct call *c) {
	size_t size;
	float *out = same(c, &size);
	return out ? c->kernels->velocity(size, input(c, 0), input(c, 1), input(c, 2), c->floats[0], c->floats[1], out, &c->team) : -1;
}

static int compute_descend(struct call *c) {
	size_t size;
	float *out = same(c, &size);
	const float *rate = input(c, 2);
	return out ? c->kernels->descend(size, input(c, 0), input(c, 1), rate ? *rate : 1, out, &c->team) : -1;
}

// An output that takes the place of an input, which nothing else needs, saves memory.
static size_t in_place_of(int input, int **inputs, int **outputs) {
	*inputs = malloc(sizeof **inputs);
	*outputs = malloc(sizeof **outputs);
	if (!*inputs || !*outputs) {
		free(*inputs), free(*outputs);
		*inputs = *outputs = NULL;
		return 0;
	}
	**inputs = input;
	**outputs = 0;
	return 1;
}

static size_t in_place_of_1(int **inputs, int **outputs) { return in_place_of(1, inputs, outputs); }
static size_t in_place_of_6(int **inputs, int **outputs) { return in_place_of(6, inputs, outputs); }
static void release_in_place(int *inputs, int *outputs) { free(inputs), free(outputs); }

static const struct operator operators[] = {
	// name, inputs required and in all, outputs, lengths of ints and floats, whether it reads bytes
	{.name = "Block", .required = 1, .inputs = 1, .outputs = 1, .ints = 3, .compute = compute_block},
	{.name = "Unblock", .required = 1, .inputs = 1, .outputs = 1, .ints = 3, .compute = compute_unblock},
	{.name = "Conv", .required = 2, .inputs = 2, .outputs = 1, .ints = 7, .compute = compute_conv},
	{.name = "ConvGradInput", .required = 2, .inputs = 2, .outputs = 1, .ints = 7, .compute = compute_conv_grad_input},
	{.name = "ConvGradFilter", .required = 2, .inputs = 2, .outputs = 1, .ints = 7, .compute = compute_conv_grad_filter},
	{.name = "ConvPixels", .required = 2, .inputs = 2, .outputs = 1, .ints = 7, .floats = 6, .bytes = 1, .compute = compute_conv_pixels},
	{.name = "ConvPixelsGradFilter", .required = 2, .inputs = 2, .outputs = 1, .ints = 7, .floats = 6, .bytes = 1, .compute = compute_conv_pixels_grad_filter},
	{.name = "Moments", .required = 1, .inputs = 1, .outputs = 2, .ints = 3, .compute = compute_moments},
	{.name = "Normalize", .required = 4, .inputs = 6, .outputs = 1, .ints = 4, .floats = 1, .compute = compute_normalize},
	{.name = "NormalizeGradParams", .required = 4, .inputs = 5, .outputs = 2, .ints = 3, .floats = 1, .compute = compute_normalize_grad_params},
	{.name = "NormalizeGradInput", .required = 7, .inputs = 8, .outputs = 1, .ints = 3, .floats = 1, .compute = compute_normalize_grad_input, .in_place = in_place_of_6},
	{.name = "ReLUGrad", .required = 2, .inputs = 2, .outputs = 1, .ints = 3, .compute = compute_relu_grad, .in_place = in_place_of_1},
	{.name = "MaxPool", .required = 1, .inputs = 1, .outputs = 1, .ints = 6, .compute = compute_max_pool},
	{.name = "MaxPoolGrad", .required = 2, .inputs = 2, .outputs = 1, .ints = 6, .compute = compute_max_pool_grad},
	{.name = "AvgPool", .required = 1, .inputs = 1, .outputs = 1, .ints = 3, .compute = compute_avg_pool},
	{.name = "AvgPoolGrad", .required = 1, .inputs = 1, .outputs = 1, .ints = 3, .compute = compute_avg_pool_grad},
	{.name = "Velocity", .required = 3, .inputs = 3, .outputs = 1, .ints = 5, .floats = 2, .compute = compute_velocity},
	{.name = "Descend", .required = 2, .inputs = 3, .outputs = 1, .ints = 5, .compute = compute_descend},
};

enum { OPERATORS = sizeof operators / sizeof *operators };

// A registration is the domain of one session, with operators of its own: sessions of other kernels may run beside it.
struct registration {
	OrtCustomOpDomain *domain;
	struct operator operators[OPERATORS];
};

static const struct operator *described(const OrtCustomOp *op) { return (const struct operator *)op; }

static const char *get_name(const OrtCustomOp *op) { return described(op)->name; }
static const char *get_provider(const OrtCustomOp *op) { return (void)op, NULL; }
static size_t get_inputs(const OrtCustomOp *op) { return described(op)->inputs; }
static size_t get_outputs(const OrtCustomOp *op) { return described(op)->outputs; }
static int get_input_type(const OrtCustomOp *op, size_t i) { return i == 0 && described(op)->bytes ? ORT_UINT8 : ORT_FLOAT; }
static int get_output_type(const OrtCustomOp *op, size_t i) { return (void)op, (void)i, ORT_FLOAT; }
static int get_input_need(const OrtCustomOp *op, size_t i) { return i < described(op)->required ? ORT_REQUIRED : ORT_OPTIONAL; }
static int get_output_need(const OrtCustomOp *op, size_t i) { return (void)op, (void)i, ORT_REQUIRED; }
static int get_memory(const OrtCustomOp *op, size_t i) { return (void)op, (void)i, 0; }
static int get_first_version(const OrtCustomOp *op) { return (void)op, 1; }
static int get_last_version(const OrtCustomOp *op) { return (void)op, INT32_MAX; }

static OrtStatus *create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **kernel) {
	struct instance *at = calloc(1, sizeof *at);
	if (!at) return ORT(api, CreateStatus, ORT_FAIL, "goclr: out of memory");
	at->op = described(op);
	at->api = api;
	size_t ints = MAX_INTS, floats = MAX_FLOATS;
	OrtStatus *failure = at->op->ints ? ORT(api, KernelInfoGetAttributeArray_int64, info, "ints", at->ints, &ints) : NULL;
	if (!failure && at->op->floats) failure = ORT(api, KernelInfoGetAttributeArray_float, info, "floats", at->floats, &floats);
	if (!failure && ((at->op->ints && ints != at->op->ints) || (at->op->floats && floats != at->op->floats)))
		failure = ORT(api, CreateStatus, ORT_FAIL, "goclr: an operator with another number of attributes");
	if (failure) {
		free(at);
		return failure;
	}
	*kernel = at;
	return NULL;
}

static void run(const struct team *team, void (*task)(void *, size_t), void *job, size_t n) {
	struct call *c = (struct call *)team;
	keep(c, ORT(c->api, KernelContext_ParallelFor, c->context, task, n, 0, job));
}

static OrtStatus *compute(void *kernel, OrtKernelContext *context) {
	const struct instance *at = kernel;
	struct call c = {.team = {run}, .api = at->api, .context = context, .kernels = at->op->kernels, .ints = at->ints, .floats = at->floats};
	const OrtValue *first = NULL;
	OrtTensorTypeAndShapeInfo *shape = NULL;
	int64_t images = 0;
	keep(&c, ORT(at->api, KernelContext_GetInput, context, 0, &first));
	if (first) keep(&c, ORT(at->api, GetTensorTypeAndShape, first, &shape));
	if (shape) {
		keep(&c, ORT(at->api, GetDimensions, shape, &images, 1));
		ORT(at->api, ReleaseTensorTypeAndShapeInfo, shape);
	}
	c.n = (size_t)images;
	if (!c.failure && at->op->compute(&c) != 0) keep(&c, ORT(at->api, CreateStatus, ORT_FAIL, "goclr: not enough memory for an operator: use a smaller batch"));
	return c.failure;
}

static void destroy(void *kernel) { free(kernel); }

// interface_of opens the library that is loaded already.
static const OrtApi *interface_of(const char *library) {
	void *handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
	if (!handle) return NULL;
	const OrtApiBase *(*base)(void) = (const OrtApiBase *(*)(void))dlsym(handle, "OrtGetApiBase");
	const OrtApi *api = base ? base()->GetApi(ORT_API_VERSION) : NULL;
	dlclose(handle);
	return api;
}

const char *goclr_add_operators(const char *library, void *session_options, const void *kernels, void **registration) {
	const OrtApi *api = interface_of(library);
	if (!api) return "the library does not offer the interface for operators";
	struct registration *r = calloc(1, sizeof *r);
	if (!r) return "no memory for operators";
	OrtStatus *failure = ORT(api, CreateCustomOpDomain, "goclr", &r->domain);
	for (size_t i = 0; !failure && i < OPERATORS; i++) {
		struct operator *op = &r->operators[i];
		*op = operators[i];
		op->kernels = kernels;
		op->base = (OrtCustomOp){
			.version = ORT_API_VERSION, .GetName = get_name, .GetExecutionProviderType = get_provider,
			.GetInputType = get_input_type, .GetInputTypeCount = get_inputs, .GetOutputType = get_output_type, .GetOutputTypeCount = get_outputs,
			.KernelDestroy = destroy, .GetInputCharacteristic = get_input_need, .GetOutputCharacteristic = get_output_need,
			.GetInputMemoryType = get_memory, .CreateKernelV2 = create, .KernelComputeV2 = compute,
			.GetStartVersion = get_first_version, .GetEndVersion = get_last_version,
			.GetMayInplace = op->in_place, .ReleaseMayInplace = op->in_place ? release_in_place : NULL,
		};
		failure = ORT(api, CustomOpDomain_Add, r->domain, &op->base);
	}
	if (!failure) failure = ORT(api, AddCustomOpDomain, session_options, r->domain);
	if (failure) {
		ORT(api, ReleaseStatus, failure);
		goclr_release_operators(library, r);
		return "it refuses operators of goclr";
	}
	*registration = r;
	return NULL;
}

void goclr_release_operators(const char *library, void *registration) {
	struct registration *r = registration;
	const OrtApi *api = interface_of(library);
	if (api && r->domain) ORT(api, ReleaseCustomOpDomain, r->domain);
	free(r);
}
