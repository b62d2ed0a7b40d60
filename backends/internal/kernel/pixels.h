// The first convolution of a network, which reads the bytes of images. Its few channels would leave blocks empty, so the numbers
// that a result needs are laid side by side: 16 of the k*k*3 in each vector.

INLINE size_t patch_blocks(const struct conv *s) { return blocks(s->k * s->k * 3); }

// read_patches writes the patches of one row of results as [blocks, ., 16], with `stride` numbers from block to block.
TARGET static void read_patches(const struct conv *s, const struct pixels *x, size_t image, size_t row, float *to, size_t stride) {
	size_t size = s->k * s->k * 3, whole = patch_blocks(s) * LANES;
	for (size_t j = 0; j < s->ow; j++) {
		float patch[MAX_TAPS * 3 + LANES];
		for (size_t k = size; k < whole; k++) patch[k] = 0;
		for (size_t i = 0; i < s->k; i++) {
			float *p = patch + i * s->k * 3;
			ptrdiff_t y = (ptrdiff_t)(row * s->stride + i) - (ptrdiff_t)s->pad;
			for (size_t l = 0; l < s->k; l++, p += 3) {
				ptrdiff_t c = (ptrdiff_t)(j * s->stride + l) - (ptrdiff_t)s->pad;
				int inside = y >= 0 && y < (ptrdiff_t)s->h && c >= 0 && c < (ptrdiff_t)s->w;
				const uint8_t *b = x->bytes + (inside ? ((image * s->h + (size_t)y) * s->w + (size_t)c) * 3 : 0);
				for (size_t m = 0; m < 3; m++) p[m] = inside ? b[m] * x->scale[m] + x->offset[m] : 0;
			}
		}
		for (size_t q = 0; q < whole / LANES; q++) memcpy(to + q * stride + j * LANES, patch + q * LANES, LANES * sizeof *to);
	}
}

// A stem is the convolution of pixels on its way.
struct stem {
	struct conv conv;
	const struct pixels *x;
	const float *w;
	float *y, *packed;
	size_t out;
	atomic_int failed;
};

// pack_patches writes the filters in the order of patches: of each group, [blocks, 16, columns*16].
TARGET static void pack_patches(void *job, size_t group) {
	struct stem *g = job;
	const struct conv *s = &g->conv;
	size_t columns = columns_of(g->out, group), size = s->k * s->k * 3, whole = patch_blocks(s) * LANES;
	float *p = g->packed + group * GROUP * whole * LANES;
	for (size_t i = 0; i < whole; i++)
		for (size_t v = 0; v < columns; v++, p += LANES)
			for (size_t lane = 0; lane < LANES; lane++) {
				size_t o = (group * GROUP + v) * LANES + lane;
				p[lane] = i < size && o < s->o ? g->w[(o * 3 + i % 3) * s->k * s->k + i / 3] : 0;
			}
}

// stem_task makes one row of results.
TARGET static void stem_task(void *job, size_t i) {
	struct stem *g = job;
	const struct conv *s = &g->conv;
	size_t image = i / s->oh, row = i % s->oh, depth = patch_blocks(s), width = (s->ow + ROWS - 1) / ROWS * ROWS, plane = s->oh * s->ow * LANES;
	float *patches = goclr_take((depth + GROUP) * width * LANES);
	if (!patches) {
		g->failed = 1;
		return;
	}
	float *results = patches + depth * width * LANES;
	read_patches(s, g->x, image, row, patches, width * LANES);
	ptrdiff_t offsets[depth];
	for (size_t q = 0; q < depth; q++) offsets[q] = q * width * LANES;
	for (size_t group = 0; group * GROUP < g->out; group++) {
		size_t columns = columns_of(g->out, group);
		for (size_t j = 0; j < s->ow; j += ROWS) {
			const float *from[ROWS];
			float *to[ROWS];
			for (size_t r = 0; r < ROWS; r++) {
				from[r] = patches + (j + r) * LANES; // beyond the row there is room, and nothing reads the results
				to[r] = results + (j + r) * LANES;
			}
			rows_product(columns, from, offsets, depth, g->packed + group * GROUP * depth * LANES * LANES, to, width * LANES, 1);
		}
		for (size_t v = 0; v < columns; v++)
			memcpy(g->y + (image * g->out + group * GROUP + v) * plane + row * s->ow * LANES, results + v * width * LANES,
			       s->ow * LANES * sizeof *results);
	}
	goclr_give(patches);
}

TARGET static int conv_pixels(const struct conv *s, const struct pixels *x, const float *w, float *y, const struct team *t) {
	struct stem g = {.conv = *s, .x = x, .w = w, .y = y, .out = blocks(s->o)};
	size_t groups = (g.out + GROUP - 1) / GROUP;
	g.packed = goclr_take(groups * GROUP * patch_blocks(s) * LANES * LANES);
	if (!g.packed) return -1;
	t->run(t, pack_patches, &g, groups);
	t->run(t, stem_task, &g, s->n * s->oh);
	goclr_give(g.packed);
	return g.failed ? -1 : 0;
}

// grade_pixels_task adds up the gradient of the rows of results of one slab.
TARGET static void grade_pixels_task(void *job, size_t slab) {
	struct grading *g = job;
	const struct conv *s = &g->conv;
	size_t all = s->n * s->oh, row = slab * all / g->slabs, end = (slab + 1) * all / g->slabs;
	size_t line = g->out * LANES, plane = s->oh * s->ow * LANES;
	float *sum = g->sums + slab * grading_size(g), *patches = goclr_take(g->in * s->ow * LANES);
	if (!patches) {
		g->failed = 1;
		return;
	}
	memset(sum, 0, grading_size(g) * sizeof *sum);
	for (; row < end; row++) {
		size_t image = row / s->oh;
		read_patches(s, g->pixels, image, row % s->oh, patches, s->ow * LANES);
		const float *dy = g->dy + image * g->out * plane + row % s->oh * s->ow * LANES;
		for (size_t q = 0; q < g->in; q++)
			outer_product(g->out, patches + q * s->ow * LANES, dy, plane, s->ow, sum + q * LANES * line, line, 0);
	}
	goclr_give(patches);
}

TARGET static int conv_pixels_grad_filter(const struct conv *s, const struct pixels *x, const float *dy, float *dw, const struct team *t) {
	struct grading g = {.conv = *s, .in = patch_blocks(s), .out = blocks(s->o), .taps = 1, .pixels = x, .dy = dy, .dw = dw};
	divide(&g);
	g.sums = goclr_take(g.slabs * grading_size(&g));
	if (!g.sums) return -1;
	t->run(t, grade_pixels_task, &g, g.slabs);
	if (!g.failed)
		for (size_t i = 0; i < s->k * s->k * 3; i++)
			for (size_t o = 0; o < s->o; o++) {
				const float *p = g.sums + i * g.out * LANES + o;
				float sum = p[0];
				for (size_t slab = 1; slab < g.slabs; slab++) sum += p[slab * grading_size(&g)];
				dw[(o * 3 + i % 3) * s->k * s->k + i / 3] = sum;
			}
	goclr_give(g.sums);
	return g.failed ? -1 : 0;
}
