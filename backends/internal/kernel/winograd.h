// Convolutions by 3x3 with stride 1 after Winograd, as Lavin and Gray (2016) do them: F(4x4, 3x3). A tile of 4x4 results needs
// 6x6 pixels; transformed, it takes 36 products where the plain sum takes 144. With the matrices of their section 4.3,
//
//	y = A' [(G w G') . (B' x B)] A,  so  dw = G' [(B' x B) . (A dy A')] G,
//
// and the gradient of x is a convolution of dy with the filters turned by half a turn.
enum { TILE = 4, SPAN = 6, PRODUCTS = SPAN * SPAN };

// Tiles that a task takes at once: enough that a product rereads filters rarely, few enough for the second-level cache.
enum { BATCH = 48 };

// A tiling is how the tiles of an image [n, c, h, w] lie.
struct tiling {
	size_t h, w, pad, oh, ow; // of what is read; of what is written
	size_t down, across, count;
};

TARGET static struct tiling tiles_of(size_t n, size_t h, size_t w, size_t pad) {
	struct tiling t = {.h = h, .w = w, .pad = pad, .oh = h + 2 * pad - 2, .ow = w + 2 * pad - 2};
	t.down = (t.oh + TILE - 1) / TILE;
	t.across = (t.ow + TILE - 1) / TILE;
	t.count = n * t.down * t.across;
	return t;
}

// A place is where a tile lies: image, first row and first column of its results.
struct place {
	size_t image, y, x;
};

TARGET static struct place place_of(const struct tiling *t, size_t tile) {
	size_t within = tile % (t->down * t->across);
	return (struct place){tile / (t->down * t->across), within / t->across * TILE, within % t->across * TILE};
}

// spread6 is B' d.
INLINE void spread6(const vec d[SPAN], vec out[SPAN]) {
	vec a = d[4] - 4 * d[2], b = d[3] - 4 * d[1], c = d[4] - d[2], e = 2 * (d[3] - d[1]);
	out[0] = 4 * d[0] - 5 * d[2] + d[4];
	out[1] = a + b;
	out[2] = a - b;
	out[3] = c + e;
	out[4] = c - e;
	out[5] = 4 * d[1] - 5 * d[3] + d[5];
}

// spread4 is A d.
INLINE void spread4(const vec d[TILE], vec out[SPAN]) {
	vec even = d[0] + d[2], odd = d[1] + d[3], even2 = d[0] + 4 * d[2], odd2 = 2 * d[1] + 8 * d[3];
	out[0] = d[0];
	out[1] = even + odd;
	out[2] = even - odd;
	out[3] = even2 + odd2;
	out[4] = even2 - odd2;
	out[5] = d[3];
}

// gather4 is A' d.
INLINE void gather4(const vec d[SPAN], vec out[TILE]) {
	vec sum = d[1] + d[2], difference = d[1] - d[2], sum2 = d[3] + d[4], difference2 = d[3] - d[4];
	out[0] = d[0] + sum + sum2;
	out[1] = difference + 2 * difference2;
	out[2] = sum + 4 * sum2;
	out[3] = difference + 8 * difference2 + d[5];
}

// spread3 is G d, gather3 is G' d.
INLINE void spread3(const vec d[3], vec out[SPAN]) {
	vec even = d[0] + d[2], even2 = d[0] + 4 * d[2];
	out[0] = d[0] * (1.f / 4);
	out[1] = (even + d[1]) * (-1.f / 6);
	out[2] = (even - d[1]) * (-1.f / 6);
	out[3] = (even2 + 2 * d[1]) * (1.f / 24);
	out[4] = (even2 - 2 * d[1]) * (1.f / 24);
	out[5] = d[2];
}

INLINE void gather3(const vec d[SPAN], vec out[3]) {
	vec sum = (d[1] + d[2]) * (-1.f / 6), sum2 = (d[3] + d[4]) * (1.f / 24);
	out[0] = d[0] * (1.f / 4) + sum + sum2;
	out[1] = (d[2] - d[1]) * (1.f / 6) + (d[3] - d[4]) * (1.f / 12);
	out[2] = sum + 4 * sum2 + d[5];
}

// spread_pixels writes the 36 factors of one tile of a part of one block, `stride` apart: B' x B of its 6x6 pixels.
INLINE void spread_pixels(const struct tiling *t, const float *plane, struct place p, float *factors, size_t stride) {
	static const float zeros[LANES] __attribute__((aligned(4 * LANES)));
	vec half[SPAN][SPAN];
	for (size_t j = 0; j < SPAN; j++) {
		vec d[SPAN], out[SPAN];
		size_t x = p.x + j - t->pad; // wraps around where the tile begins before the image, and is then beyond it
		for (size_t i = 0; i < SPAN; i++) {
			size_t y = p.y + i - t->pad;
			d[i] = load(y < t->h && x < t->w ? plane + (y * t->w + x) * LANES : zeros);
		}
		spread6(d, out);
		for (size_t i = 0; i < SPAN; i++) half[i][j] = out[i];
	}
	for (size_t i = 0; i < SPAN; i++) {
		vec out[SPAN];
		spread6(half[i], out);
		for (size_t j = 0; j < SPAN; j++) store(factors + (i * SPAN + j) * stride, out[j]);
	}
}

// spread_results is spread_pixels for the 4x4 results: A dy A'.
INLINE void spread_results(const struct tiling *t, const float *plane, struct place p, float *factors, size_t stride) {
	static const float zeros[LANES] __attribute__((aligned(4 * LANES)));
	vec half[SPAN][TILE];
	for (size_t j = 0; j < TILE; j++) {
		vec d[TILE], out[SPAN];
		for (size_t i = 0; i < TILE; i++) {
			size_t y = p.y + i, x = p.x + j;
			d[i] = load(y < t->oh && x < t->ow ? plane + (y * t->ow + x) * LANES : zeros);
		}
		spread4(d, out);
		for (size_t i = 0; i < SPAN; i++) half[i][j] = out[i];
	}
	for (size_t i = 0; i < SPAN; i++) {
		vec out[SPAN];
		spread4(half[i], out);
		for (size_t j = 0; j < SPAN; j++) store(factors + (i * SPAN + j) * stride, out[j]);
	}
}

// gather_results is A' m A of the 36 products of a part of one tile, written where it lies inside the image.
INLINE void gather_results(const struct tiling *t, const float *products, size_t stride, struct place p, float *plane) {
	vec half[TILE][SPAN];
	for (size_t j = 0; j < SPAN; j++) {
		vec d[SPAN], out[TILE];
		for (size_t i = 0; i < SPAN; i++) d[i] = load(products + (i * SPAN + j) * stride);
		gather4(d, out);
		for (size_t i = 0; i < TILE; i++) half[i][j] = out[i];
	}
	for (size_t i = 0; i < TILE && p.y + i < t->oh; i++) {
		vec out[TILE];
		gather4(half[i], out);
		for (size_t j = 0; j < TILE && p.x + j < t->ow; j++) store(plane + ((p.y + i) * t->ow + p.x + j) * LANES, out[j]);
	}
}

// Filters from input channel `from` are read for the output channels of one part of a block at a time.
struct filters {
	const float *w; // [o, c, 3, 3]
	size_t o, c;
	int turned; // a gradient's: turned by half a turn, from o to c channels
};

INLINE size_t filters_in(const struct filters *f) { return f->turned ? f->o : f->c; }
INLINE size_t filters_out(const struct filters *f) { return f->turned ? f->c : f->o; }

// tap returns tap k of the filters from channel `from` to the WIDTH channels from `to` on, with zeros where there are none.
INLINE vec tap(const struct filters *f, size_t from, size_t to, size_t taps, size_t k) {
	vec v = fill(0);
	size_t step = f->turned ? taps : f->c * taps, all = filters_out(f);
	const float *p = f->turned ? f->w + (from * f->c + to) * taps + taps - 1 - k : f->w + (to * f->c + from) * taps + k;
	if (from < filters_in(f))
		for (size_t i = 0; i < WIDTH && to + i < all; i++) v[i] = p[i * step];
	return v;
}

// spread_filters writes G w G' from channel `from` to the channels from `to` on.
INLINE void spread_filters(const struct filters *f, size_t from, size_t to, float *factors, size_t stride) {
	vec half[SPAN][3];
	for (size_t j = 0; j < 3; j++) {
		vec d[3], out[SPAN];
		for (size_t i = 0; i < 3; i++) d[i] = tap(f, from, to, 9, 3 * i + j);
		spread3(d, out);
		for (size_t i = 0; i < SPAN; i++) half[i][j] = out[i];
	}
	for (size_t i = 0; i < SPAN; i++) {
		vec out[SPAN];
		spread3(half[i], out);
		for (size_t j = 0; j < SPAN; j++) store(factors + (i * SPAN + j) * stride, out[j]);
	}
}

// A winograd is one convolution on its way, from x to y; or to the gradient dw, for which y is dy.
struct winograd {
	struct tiling tiles;
	struct filters filters;
	size_t in, out; // blocks of channels
	const float *x;
	float *y, *dw;
	float *packed; // all filters, spread, or NULL where each task spreads its own
	size_t slabs, group;
	float *sums; // of slabs
	atomic_int failed;
};

// Filters up to this size, spread, are spread once for all; larger ones group by group, so that they need little memory.
enum { PACKED_LIMIT = 2 << 20 };

INLINE size_t group_size(const struct winograd *g, size_t group) {
	size_t left = g->out - group * GROUP;
	return left < GROUP ? left : GROUP;
}

INLINE size_t groups_of(const struct winograd *g) { return (g->out + GROUP - 1) / GROUP; }

// packed_group is the size of the spread filters of a whole group: [36, in*16, GROUP*16].
INLINE size_t packed_group(const struct winograd *g) { return PRODUCTS * g->in * LANES * GROUP * LANES; }

TARGET static void spread_group(const struct winograd *g, size_t group, size_t from_block, float *packed) {
	size_t columns = group_size(g, group), stride = g->in * LANES * columns * LANES;
	for (size_t i = 0; i < LANES; i++) {
		size_t from = from_block * LANES + i;
		for (size_t v = 0; v < columns * PARTS; v++)
			spread_filters(&g->filters, from, group * GROUP * LANES + v * WIDTH, packed + from * columns * LANES + v * WIDTH, stride);
	}
}

TARGET static void spread_task(void *job, size_t i) {
	struct winograd *g = job;
	size_t group = i / g->in;
	spread_group(g, group, i % g->in, g->packed + group * packed_group(g));
}

TARGET static void spread_batch(const struct winograd *g, size_t tile, size_t count, float *factors) {
	size_t stride = g->in * BATCH * LANES, plane = g->tiles.h * g->tiles.w * LANES;
	for (size_t t = 0; t < count; t++) {
		struct place p = place_of(&g->tiles, tile + t);
		for (size_t c = 0; c < g->in * PARTS; c++) {
			size_t block = c / PARTS, part = c % PARTS * WIDTH;
			spread_pixels(&g->tiles, g->x + (p.image * g->in + block) * plane + part, p, factors + (block * BATCH + t) * LANES + part, stride);
		}
	}
}

// multiply_batch makes the results of one batch of tiles in one group of channels.
TARGET static void multiply_batch(const struct winograd *g, size_t tile, size_t count, size_t group, const float *factors, const float *packed,
                                  const ptrdiff_t *offsets, float *products) {
	size_t columns = group_size(g, group), plane = g->tiles.oh * g->tiles.ow * LANES;
	for (size_t k = 0; k < PRODUCTS; k++) {
		const float *a = factors + k * g->in * BATCH * LANES, *w = packed + k * g->in * LANES * columns * LANES;
		float *y = products + k * GROUP * BATCH * LANES;
		for (size_t t = 0; t < count; t += ROWS) {
			const float *rows[ROWS];
			float *out[ROWS];
			for (size_t p = 0; p < ROWS; p++) {
				rows[p] = a + (t + p) * LANES; // rows beyond count lie in the batch too, and nothing reads their results
				out[p] = y + (t + p) * LANES;
			}
			rows_product(columns, rows, offsets, g->in, w, out, BATCH * LANES, 1);
		}
	}
	for (size_t t = 0; t < count; t++) {
		struct place p = place_of(&g->tiles, tile + t);
		for (size_t v = 0; v < columns * PARTS; v++) {
			size_t block = v / PARTS, part = v % PARTS * WIDTH;
			gather_results(&g->tiles, products + (block * BATCH + t) * LANES + part, GROUP * BATCH * LANES, p,
			               g->y + (p.image * g->out + group * GROUP + block) * plane + part);
		}
	}
}

// winograd_task takes batch i of tiles in all groups, or all batches in group i, whose filters it spreads.
TARGET static void winograd_task(void *job, size_t i) {
	struct winograd *g = job;
	size_t size = PRODUCTS * (g->in + GROUP) * BATCH * LANES;
	float *factors = goclr_take(size + (g->packed ? 0 : packed_group(g)));
	if (!factors) {
		g->failed = 1;
		return;
	}
	float *products = factors + PRODUCTS * g->in * BATCH * LANES, *own = factors + size;
	ptrdiff_t offsets[g->in];
	for (size_t c = 0; c < g->in; c++) offsets[c] = c * BATCH * LANES;
	size_t first = 0, end = g->tiles.count;
	if (g->packed) {
		first = i * BATCH;
		end = first + BATCH < end ? first + BATCH : end;
	} else {
		for (size_t c = 0; c < g->in; c++) spread_group(g, i, c, own);
	}
	for (size_t tile = first; tile < end; tile += BATCH) {
		size_t count = end - tile < BATCH ? end - tile : BATCH;
		spread_batch(g, tile, count, factors);
		if (g->packed)
			for (size_t group = 0; group < groups_of(g); group++)
				multiply_batch(g, tile, count, group, factors, g->packed + group * packed_group(g), offsets, products);
		else
			multiply_batch(g, tile, count, i, factors, own, offsets, products);
	}
	goclr_give(factors);
}

// winograd convolves x, whose shape tiles has, with the filters.
TARGET static int winograd(struct tiling tiles, struct filters filters, const float *x, float *y, const struct team *t) {
	struct winograd g = {
		.tiles = tiles, .filters = filters, .in = blocks(filters_in(&filters)), .out = blocks(filters_out(&filters)), .x = x, .y = y};
	size_t groups = groups_of(&g), size = groups * packed_group(&g);
	if (size <= PACKED_LIMIT || groups < 4) {
		g.packed = goclr_take(size);
		if (!g.packed) return -1;
		t->run(t, spread_task, &g, groups * g.in);
		t->run(t, winograd_task, &g, (tiles.count + BATCH - 1) / BATCH);
		goclr_give(g.packed);
	} else {
		t->run(t, winograd_task, &g, groups);
	}
	return g.failed ? -1 : 0;
}

// grad_slab adds up (B' x B) . (A dy A') of every slabs'th batch from the slab's on, for one group of output channels: sum is
// [36, in*16, columns*16].
TARGET static void grad_slab(struct winograd *g, size_t slab, size_t group, float *sum) {
	size_t columns = group_size(g, group), line = columns * LANES, plane = g->tiles.oh * g->tiles.ow * LANES;
	size_t size = PRODUCTS * (g->in + GROUP) * BATCH * LANES;
	float *factors = goclr_take(size);
	if (!factors) {
		g->failed = 1;
		return;
	}
	float *results = factors + PRODUCTS * g->in * BATCH * LANES;
	int first = 1;
	for (size_t tile = slab * BATCH; tile < g->tiles.count; tile += g->slabs * BATCH, first = 0) {
		size_t count = g->tiles.count - tile < BATCH ? g->tiles.count - tile : BATCH;
		spread_batch(g, tile, count, factors);
		for (size_t t = 0; t < count; t++) {
			struct place p = place_of(&g->tiles, tile + t);
			for (size_t v = 0; v < columns * PARTS; v++) {
				size_t block = v / PARTS, part = v % PARTS * WIDTH;
				spread_results(&g->tiles, g->y + (p.image * g->out + group * GROUP + block) * plane + part, p,
				               results + (block * BATCH + t) * LANES + part, GROUP * BATCH * LANES);
			}
		}
		for (size_t k = 0; k < PRODUCTS; k++)
			for (size_t c = 0; c < g->in; c++)
				outer_product(columns, factors + (k * g->in + c) * BATCH * LANES, results + k * GROUP * BATCH * LANES, BATCH * LANES,
				              count, sum + (k * g->in + c) * LANES * line, line, first);
	}
	goclr_give(factors);
}

TARGET static void grad_slab_task(void *job, size_t i) {
	struct winograd *g = job;
	size_t group = i / g->slabs;
	grad_slab(g, i % g->slabs, group, g->sums + i * packed_group(g));
}

// gather_filters is G' (.) G of the sum of all slabs: dw from one input block to one group.
TARGET static void gather_filters(const struct winograd *g, size_t group, size_t block, const float *sums) {
	size_t columns = group_size(g, group), line = columns * LANES, stride = g->in * LANES * line;
	for (size_t i = 0; i < LANES && block * LANES + i < g->filters.c; i++) {
		size_t c = block * LANES + i;
		for (size_t v = 0; v < columns * PARTS; v++) {
			vec half[3][SPAN];
			for (size_t j = 0; j < SPAN; j++) {
				vec d[SPAN], out[3];
				for (size_t k = 0; k < SPAN; k++) {
					const float *p = sums + (k * SPAN + j) * stride + c * line + v * WIDTH;
					d[k] = load(p);
					for (size_t slab = 1; slab < g->slabs; slab++) d[k] += load(p + slab * packed_group(g));
				}
				gather3(d, out);
				for (size_t k = 0; k < 3; k++) half[k][j] = out[k];
			}
			for (size_t k = 0; k < 3; k++) {
				vec out[3];
				gather3(half[k], out);
				for (size_t lane = 0; lane < WIDTH; lane++) {
					size_t o = group * GROUP * LANES + v * WIDTH + lane;
					if (o >= g->filters.o) break;
					float *dw = g->dw + ((o * g->filters.c + c) * 3 + k) * 3;
					for (size_t j = 0; j < 3; j++) dw[j] = out[j][lane];
				}
			}
		}
	}
}

TARGET static void gather_filters_task(void *job, size_t i) {
	struct winograd *g = job;
	size_t group = i / g->in;
	gather_filters(g, group, i % g->in, g->sums + group * g->slabs * packed_group(g));
}

// grad_group_task adds up all batches of one group, whose sum it keeps for itself.
TARGET static void grad_group_task(void *job, size_t group) {
	struct winograd *g = job;
	float *sum = goclr_take(packed_group(g));
	if (!sum) {
		g->failed = 1;
		return;
	}
	grad_slab(g, 0, group, sum);
	for (size_t c = 0; c < g->in; c++) gather_filters(g, group, c, sum);
	goclr_give(sum);
}

// Enough slabs of one group to keep a machine busy, all in all no more than would fill its cache.
enum { MAX_SLABS = 8, SUMS_LIMIT = 4 << 20 };

// winograd_grad_filter is the gradient of filters [o, c, 3, 3] of a convolution of x to what dy is the gradient of.
TARGET static int winograd_grad_filter(struct tiling tiles, size_t o, size_t c, const float *x, const float *dy, float *dw,
                                       const struct team *t) {
	struct winograd g = {.tiles = tiles, .filters = {.o = o, .c = c}, .in = blocks(c), .out = blocks(o), .x = x, .y = (float *)dy, .dw = dw};
	size_t groups = groups_of(&g), size = groups * packed_group(&g), batches = (tiles.count + BATCH - 1) / BATCH;
	g.slabs = SUMS_LIMIT / size;
	if (g.slabs > MAX_SLABS) g.slabs = MAX_SLABS;
	if (g.slabs > batches) g.slabs = batches;
	if (g.slabs * groups < 4 && groups < 4) g.slabs = batches < 2 ? 1 : 2;
	if (g.slabs < 2) {
		g.slabs = 1;
		t->run(t, grad_group_task, &g, groups);
		return g.failed ? -1 : 0;
	}
	g.sums = goclr_take(g.slabs * size);
	if (!g.sums) return -1;
	t->run(t, grad_slab_task, &g, groups * g.slabs);
	if (!g.failed) t->run(t, gather_filters_task, &g, groups * g.in);
	goclr_give(g.sums);
	return g.failed ? -1 : 0;
}
