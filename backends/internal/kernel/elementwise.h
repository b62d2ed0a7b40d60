// What is done to each number alone: compilers vectorise these loops by themselves.

// A stretch is one task's share.
enum { STRETCH = 1 << 14 };

struct stretches {
	size_t size;
	const float *a, *b, *c;
	float x, y;
	float *out;
};

INLINE size_t stretch_end(const struct stretches *g, size_t i) { return (i + 1) * STRETCH < g->size ? (i + 1) * STRETCH : g->size; }

INLINE int over_stretches(struct stretches g, void (*task)(void *, size_t), const struct team *t) {
	t->run(t, task, &g, (g.size + STRETCH - 1) / STRETCH);
	return 0;
}

TARGET static void relu_grad_task(void *job, size_t i) {
	const struct stretches *g = job;
	for (size_t k = i * STRETCH, end = stretch_end(g, i); k < end; k++) g->out[k] = g->a[k] > 0 ? g->b[k] : 0;
}

TARGET static int relu_grad(size_t size, const float *y, const float *dy, float *dx, const struct team *t) {
	return over_stretches((struct stretches){.size = size, .a = y, .b = dy, .out = dx}, relu_grad_task, t);
}

TARGET static void velocity_task(void *job, size_t i) {
	const struct stretches *g = job;
	for (size_t k = i * STRETCH, end = stretch_end(g, i); k < end; k++) g->out[k] = g->x * g->a[k] + g->c[k] + g->y * g->b[k];
}

TARGET static int velocity(size_t size, const float *v, const float *p, const float *grad, float momentum, float decay, float *out,
                           const struct team *t) {
	return over_stretches((struct stretches){.size = size, .a = v, .b = p, .c = grad, .x = momentum, .y = decay, .out = out}, velocity_task, t);
}

TARGET static void descend_task(void *job, size_t i) {
	const struct stretches *g = job;
	for (size_t k = i * STRETCH, end = stretch_end(g, i); k < end; k++) g->out[k] = g->a[k] - g->x * g->b[k];
}

TARGET static int descend(size_t size, const float *p, const float *v, float rate, float *out, const struct team *t) {
	return over_stretches((struct stretches){.size = size, .a = p, .b = v, .x = rate, .out = out}, descend_task, t);
}

TARGET static void add_task(void *job, size_t i) {
	const struct stretches *g = job;
	for (size_t k = i * STRETCH, end = stretch_end(g, i); k < end; k++) g->out[k] = g->a[k] + g->b[k];
}

TARGET static int add(size_t size, const float *a, const float *b, float *out, const struct team *t) {
	return over_stretches((struct stretches){.size = size, .a = a, .b = b, .out = out}, add_task, t);
}

TARGET static void relu_task(void *job, size_t i) {
	const struct stretches *g = job;
	for (size_t k = i * STRETCH, end = stretch_end(g, i); k < end; k++) g->out[k] = g->a[k] <= 0 ? 0 : g->a[k];
}

TARGET static int relu(size_t size, const float *x, float *out, const struct team *t) {
	return over_stretches((struct stretches){.size = size, .a = x, .out = out}, relu_task, t);
}
