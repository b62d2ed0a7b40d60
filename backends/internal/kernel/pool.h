// Pooling, and the way into blocks and out of them.

struct pooling {
	const struct pool *s;
	const float *x, *dy;
	float *out;
};

TARGET static void max_pool_task(void *job, size_t task) {
	struct pooling *g = job;
	const struct pool *s = g->s;
	struct slice at = slice_of(s->c, task);
	const float *x = slice_in(&at, s->h * s->w, g->x);
	float *y = g->out + at.plane * s->oh * s->ow * LANES + at.part;
	for (size_t i = 0; i < s->oh; i++)
		for (size_t j = 0; j < s->ow; j++, y += LANES) {
			vec best = fill(-INFINITY);
			mask none = ~(mask){}; // the first counts whatever it is, NaN or -infinity
			for (size_t k = 0; k < s->k * s->k; k++) {
				size_t r = i * s->stride + k / s->k - s->pad, c = j * s->stride + k % s->k - s->pad; // wraps around before the image
				if (r >= s->h || c >= s->w) continue;
				vec v = load(x + (r * s->w + c) * LANES);
				best = pick((v > best) | none, v, best);
				none = (mask){};
			}
			store(y, best);
		}
}

TARGET static int max_pool(const struct pool *s, const float *x, float *y, const struct team *t) {
	struct pooling g = {.s = s, .x = x, .out = y};
	t->run(t, max_pool_task, &g, s->n * blocks(s->c) * PARTS);
	return 0;
}

// max_pool_grad_task adds each dy to the first maximum of its window.
TARGET static void max_pool_grad_task(void *job, size_t task) {
	struct pooling *g = job;
	const struct pool *s = g->s;
	struct slice at = slice_of(s->c, task);
	const float *x = slice_in(&at, s->h * s->w, g->x), *dy = slice_in(&at, s->oh * s->ow, g->dy);
	float *dx = g->out + at.plane * s->h * s->w * LANES + at.part;
	for (size_t i = 0; i < s->h * s->w; i++) store(dx + i * LANES, fill(0));
	for (size_t i = 0; i < s->oh; i++)
		for (size_t j = 0; j < s->ow; j++, dy += LANES) {
			vec best = fill(-INFINITY);
			mask taken = {}, none = ~(mask){};
			for (size_t k = 0; k < s->k * s->k; k++) {
				size_t r = i * s->stride + k / s->k - s->pad, c = j * s->stride + k % s->k - s->pad;
				if (r >= s->h || c >= s->w) continue;
				vec v = load(x + (r * s->w + c) * LANES);
				mask m = (v > best) | none;
				none = (mask){};
				best = pick(m, v, best);
				taken = (((mask){} + (int32_t)k) & m) | (taken & ~m);
			}
			vec d = load(dy);
			for (size_t k = 0; k < s->k * s->k; k++) {
				size_t r = i * s->stride + k / s->k - s->pad, c = j * s->stride + k % s->k - s->pad;
				if (r >= s->h || c >= s->w) continue;
				float *p = dx + (r * s->w + c) * LANES;
				store(p, load(p) + where(taken == (int32_t)k, d));
			}
		}
}

TARGET static int max_pool_grad(const struct pool *s, const float *x, const float *dy, float *dx, const struct team *t) {
	struct pooling g = {.s = s, .x = x, .dy = dy, .out = dx};
	t->run(t, max_pool_grad_task, &g, s->n * blocks(s->c) * PARTS);
	return 0;
}

// A passing is a pass over planes of `pixels` vectors of a tensor of c channels.
struct passing {
	size_t c, pixels;
	const float *from;
	float *to;
};

TARGET static void avg_pool_task(void *job, size_t task) {
	struct passing *g = job;
	struct slice at = slice_of(g->c, task);
	float *y = g->to + at.plane / blocks(g->c) * g->c;
	const float *x = slice_in(&at, g->pixels, g->from);
	vec sum[PARTIAL] = {};
	for (size_t i = 0; i < g->pixels; i++) sum[i % PARTIAL] += load(x + i * LANES);
	vec mean = total(sum) / fill((float)g->pixels);
	for (size_t i = 0; i < WIDTH && at.first + i < g->c; i++) y[at.first + i] = mean[i];
}

TARGET static int avg_pool(size_t n, size_t c, size_t pixels, const float *x, float *y, const struct team *t) {
	struct passing g = {c, pixels, x, y};
	t->run(t, avg_pool_task, &g, n * blocks(c) * PARTS);
	return 0;
}

TARGET static void avg_pool_grad_task(void *job, size_t task) {
	struct passing *g = job;
	struct slice at = slice_of(g->c, task);
	vec share = lanes(g->from + at.plane / blocks(g->c) * g->c, at.first, g->c) / fill((float)g->pixels);
	float *dx = g->to + at.plane * g->pixels * LANES + at.part;
	for (size_t i = 0; i < g->pixels; i++) store(dx + i * LANES, share);
}

TARGET static int avg_pool_grad(size_t n, size_t c, size_t pixels, const float *dy, float *dx, const struct team *t) {
	struct passing g = {c, pixels, dy, dx};
	t->run(t, avg_pool_grad_task, &g, n * blocks(c) * PARTS);
	return 0;
}

TARGET static void block_task(void *job, size_t plane) {
	struct passing *g = job;
	size_t b = plane % blocks(g->c), image = plane / blocks(g->c);
	float *to = g->to + plane * g->pixels * LANES;
	for (size_t i = 0; i < LANES; i++) {
		const float *from = g->from + (image * g->c + b * LANES + i) * g->pixels;
		int inside = b * LANES + i < g->c;
		for (size_t p = 0; p < g->pixels; p++) to[p * LANES + i] = inside ? from[p] : 0;
	}
}

TARGET static int block(size_t n, size_t c, size_t pixels, const float *plain, float *blocked, const struct team *t) {
	struct passing g = {c, pixels, plain, blocked};
	t->run(t, block_task, &g, n * blocks(c));
	return 0;
}

TARGET static void unblock_task(void *job, size_t plane) {
	struct passing *g = job;
	size_t b = plane % blocks(g->c), image = plane / blocks(g->c);
	const float *from = g->from + plane * g->pixels * LANES;
	for (size_t i = 0; i < LANES && b * LANES + i < g->c; i++) {
		float *to = g->to + (image * g->c + b * LANES + i) * g->pixels;
		for (size_t p = 0; p < g->pixels; p++) to[p] = from[p * LANES + i];
	}
}

TARGET static int unblock(size_t n, size_t c, size_t pixels, const float *blocked, float *plain, const struct team *t) {
	struct passing g = {c, pixels, blocked, plain};
	t->run(t, unblock_task, &g, n * blocks(c));
	return 0;
}
