// Batch normalisation. A plane is the pixels of one block of one image; each is summed up by itself, and the sums of planes are
// added in double precision.

// Sums over one plane: of each lane, two numbers.
struct sums {
	float first[LANES], second[LANES];
};

struct normalizing {
	const struct norm *s;
	const float *dy;
	struct sums *planes; // [n, blocks]
	float *out;
	const float *dgamma, *dbeta;
};

// A task is one part of one plane: the channels from `first` on.
struct slice {
	size_t plane, part, first;
};

INLINE struct slice slice_of(size_t channels, size_t task) {
	size_t plane = task / PARTS, part = task % PARTS * WIDTH;
	return (struct slice){plane, part, plane % blocks(channels) * LANES + part};
}

INLINE const float *slice_in(const struct slice *t, size_t pixels, const float *x) {
	return x ? x + t->plane * pixels * LANES + t->part : NULL;
}

// lanes is WIDTH of the c numbers at p, from `first` on, with zeros beyond the end; NULL holds zeros.
INLINE vec lanes(const float *p, size_t first, size_t c) {
	vec v = fill(0);
	if (p)
		for (size_t i = 0; i < WIDTH && first + i < c; i++) v[i] = p[first + i];
	return v;
}

// inverse is 1/sqrt(variance+eps), and zero beyond the last channel, even where eps is.
INLINE vec inverse(const struct norm *s, size_t first) {
	vec v = lanes(s->variance, first, s->c);
	for (size_t i = 0; i < WIDTH && first + i < s->c; i++) v[i] = (float)(1 / sqrt((double)v[i] + s->eps));
	return v;
}

// PARTIAL sums run side by side: they are shorter, so more accurate, and none waits for another.
enum { PARTIAL = 4 };

INLINE vec total(const vec v[PARTIAL]) { return (v[0] + v[1]) + (v[2] + v[3]); }

// moments_task sums up a plane: its mean, and the squares of the distances from it.
TARGET static void moments_task(void *job, size_t task) {
	struct normalizing *g = job;
	struct slice at = slice_of(g->s->c, task);
	const float *x = slice_in(&at, g->s->pixels, g->s->x);
	size_t n = g->s->pixels, whole = n / PARTIAL * PARTIAL;
	vec sum[PARTIAL] = {}, squares[PARTIAL] = {}, rest[PARTIAL] = {};
	for (size_t i = 0; i < whole; i += PARTIAL)
		for (size_t p = 0; p < PARTIAL; p++) sum[p] += load(x + (i + p) * LANES);
	for (size_t i = whole; i < n; i++) sum[0] += load(x + i * LANES);
	vec mean = total(sum) / fill((float)n);
	for (size_t i = 0; i < whole; i += PARTIAL)
		for (size_t p = 0; p < PARTIAL; p++) {
			vec d = load(x + (i + p) * LANES) - mean;
			rest[p] += d;
			squares[p] += d * d;
		}
	for (size_t i = whole; i < n; i++) {
		vec d = load(x + i * LANES) - mean;
		rest[0] += d;
		squares[0] += d * d;
	}
	// What rounding left of the mean.
	vec error = total(rest) / fill((float)n);
	vec m = mean + error, v = total(squares) - error * error * fill((float)n);
	memcpy(g->planes[at.plane].first + at.part, &m, sizeof m);
	memcpy(g->planes[at.plane].second + at.part, &v, sizeof v);
}

TARGET static int moments(const struct norm *s, float *mean, float *variance, const struct team *t) {
	size_t b = blocks(s->c);
	struct normalizing g = {.s = s, .planes = (struct sums *)goclr_take(s->n * b * 2 * LANES)};
	if (!g.planes) return -1;
	t->run(t, moments_task, &g, s->n * b * PARTS);
	for (size_t c = 0; c < s->c; c++) {
		double sum = 0, squares = 0;
		const struct sums *first = g.planes + c / LANES;
		for (size_t i = 0; i < s->n; i++) sum += first[i * b].first[c % LANES];
		sum /= (double)s->n;
		for (size_t i = 0; i < s->n; i++) {
			double d = first[i * b].first[c % LANES] - sum;
			squares += first[i * b].second[c % LANES] + d * d * (double)s->pixels;
		}
		mean[c] = (float)sum;
		variance[c] = (float)(squares / (double)(s->n * s->pixels));
	}
	goclr_give((float *)g.planes);
	return 0;
}

INLINE void normalize_plane(const float *x, const float *add, float *y, size_t n, vec mean, vec scale, vec beta, int has_add, int relu) {
	for (size_t i = 0; i < n * LANES; i += LANES) {
		vec v = (load(x + i) - mean) * scale + beta;
		if (has_add) v += load(add + i);
		if (relu) v = positive(v);
		store(y + i, v);
	}
}

TARGET static void normalize_task(void *job, size_t task) {
	struct normalizing *g = job;
	const struct norm *s = g->s;
	struct slice at = slice_of(s->c, task);
	vec mean = lanes(s->mean, at.first, s->c), beta = lanes(s->beta, at.first, s->c);
	vec scale = lanes(s->gamma, at.first, s->c) * inverse(s, at.first);
	const float *x = slice_in(&at, s->pixels, s->x), *add = slice_in(&at, s->pixels, s->add);
	float *y = g->out + at.plane * s->pixels * LANES + at.part;
	if (add && s->relu)
		normalize_plane(x, add, y, s->pixels, mean, scale, beta, 1, 1);
	else if (add)
		normalize_plane(x, add, y, s->pixels, mean, scale, beta, 1, 0);
	else if (s->relu)
		normalize_plane(x, add, y, s->pixels, mean, scale, beta, 0, 1);
	else
		normalize_plane(x, add, y, s->pixels, mean, scale, beta, 0, 0);
}

TARGET static int normalize(const struct norm *s, float *y, const struct team *t) {
	struct normalizing g = {.s = s, .out = y};
	t->run(t, normalize_task, &g, s->n * blocks(s->c) * PARTS);
	return 0;
}

// masked is dy where the ReLU before let something through.
INLINE vec masked(const float *dy, const float *y, size_t i) { return y ? where(load(y + i) > 0, load(dy + i)) : load(dy + i); }

INLINE void grad_sums(const float *x, const float *y, const float *dy, size_t n, vec mean, vec *products, vec *sum) {
	vec p[PARTIAL] = {}, d[PARTIAL] = {};
	size_t i = 0;
	for (; i + PARTIAL <= n; i += PARTIAL)
		for (size_t k = 0; k < PARTIAL; k++) {
			vec v = masked(dy, y, (i + k) * LANES);
			d[k] += v;
			p[k] += v * (load(x + (i + k) * LANES) - mean);
		}
	for (; i < n; i++) {
		vec v = masked(dy, y, i * LANES);
		d[0] += v;
		p[0] += v * (load(x + i * LANES) - mean);
	}
	*products = total(p);
	*sum = total(d);
}

TARGET static void grad_sums_task(void *job, size_t task) {
	struct normalizing *g = job;
	const struct norm *s = g->s;
	struct slice at = slice_of(s->c, task);
	vec mean = lanes(s->mean, at.first, s->c), products, sum;
	const float *x = slice_in(&at, s->pixels, s->x), *dy = slice_in(&at, s->pixels, g->dy);
	if (s->y)
		grad_sums(x, slice_in(&at, s->pixels, s->y), dy, s->pixels, mean, &products, &sum);
	else
		grad_sums(x, NULL, dy, s->pixels, mean, &products, &sum);
	memcpy(g->planes[at.plane].first + at.part, &products, sizeof products);
	memcpy(g->planes[at.plane].second + at.part, &sum, sizeof sum);
}

TARGET static int normalize_grad_params(const struct norm *s, const float *dy, float *dgamma, float *dbeta, const struct team *t) {
	size_t b = blocks(s->c);
	struct normalizing g = {.s = s, .dy = dy, .planes = (struct sums *)goclr_take(s->n * b * 2 * LANES)};
	if (!g.planes) return -1;
	t->run(t, grad_sums_task, &g, s->n * b * PARTS);
	for (size_t c = 0; c < s->c; c++) {
		double products = 0, sum = 0;
		for (size_t i = 0; i < s->n; i++) {
			products += g.planes[i * b + c / LANES].first[c % LANES];
			sum += g.planes[i * b + c / LANES].second[c % LANES];
		}
		dgamma[c] = (float)(products / sqrt((double)s->variance[c] + s->eps));
		dbeta[c] = (float)sum;
	}
	goclr_give((float *)g.planes);
	return 0;
}

INLINE void grad_plane(const float *x, const float *y, const float *dy, float *dx, size_t n, vec mean, vec scale, vec slope, vec offset) {
	for (size_t i = 0; i < n * LANES; i += LANES)
		store(dx + i, scale * masked(dy, y, i) - (load(x + i) - mean) * slope - offset);
}

TARGET static void grad_plane_task(void *job, size_t task) {
	struct normalizing *g = job;
	const struct norm *s = g->s;
	struct slice at = slice_of(s->c, task);
	vec inv = inverse(s, at.first), scale = lanes(s->gamma, at.first, s->c) * inv, count = fill((float)(s->n * s->pixels));
	vec slope = scale * inv * lanes(g->dgamma, at.first, s->c) / count, offset = scale * lanes(g->dbeta, at.first, s->c) / count;
	vec mean = lanes(s->mean, at.first, s->c);
	const float *x = slice_in(&at, s->pixels, s->x), *y = slice_in(&at, s->pixels, s->y), *dy = slice_in(&at, s->pixels, g->dy);
	float *dx = g->out + at.plane * s->pixels * LANES + at.part;
	if (y)
		grad_plane(x, y, dy, dx, s->pixels, mean, scale, slope, offset);
	else
		grad_plane(x, NULL, dy, dx, s->pixels, mean, scale, slope, offset);
}

TARGET static int normalize_grad_input(const struct norm *s, const float *dy, const float *dgamma, const float *dbeta, float *dx,
                                       const struct team *t) {
	struct normalizing g = {.s = s, .dy = dy, .dgamma = dgamma, .dbeta = dbeta, .out = dx};
	t->run(t, grad_plane_task, &g, s->n * blocks(s->c) * PARTS);
	return 0;
}
