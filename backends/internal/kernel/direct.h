// Convolutions as sums over taps: those by 1x1, those with a stride, and small images.

// Filters packed for rows_product: of each group, [in, taps, 16, columns*16].

// A gathering makes pixel (i, j) of a grid, of all output channels, from the pixels (i*stride + down, j*stride + across) of x:
// one for each tap.
struct gathering {
	size_t n, in, h, w; // of x, in blocks of channels
	size_t out, yh, yw; // of y
	size_t rows, columns;
	size_t step, first_row, first_column; // grid pixel (i, j) is pixel (i*step + first_row, j*step + first_column) of y
	size_t stride, taps;
	ptrdiff_t down[MAX_TAPS], across[MAX_TAPS];
	size_t index[MAX_TAPS]; // of each tap in the filters
	struct filters filters;
	size_t filter_taps;
	const float *x;
	float *y, *packed;
	size_t images, band; // of one task: so many images, or so many rows of one
	int padded;          // a tap reads beyond the borders, so tasks read a copy with zeros around it
	ptrdiff_t top, left, bottom, right; // extremes of down and across
	atomic_int failed;
};

// A task makes about so many pixels, at most GRAIN images' worth of them.
enum { GRAIN = 192 };

// So many times 16 lines of packed filters stay in the second-level cache while all pixels of a task pass.
enum { DEPTH = 32 };

INLINE size_t gathering_groups(const struct gathering *g) { return (g->out + GROUP - 1) / GROUP; }

INLINE size_t columns_of(size_t out, size_t group) { return out - group * GROUP < GROUP ? out - group * GROUP : GROUP; }

TARGET static void pack_task(void *job, size_t i) {
	struct gathering *g = job;
	size_t group = i / g->in, block = i % g->in, columns = columns_of(g->out, group);
	float *p = g->packed + (group * GROUP * g->in + block * columns) * g->taps * LANES * LANES;
	for (size_t k = 0; k < g->taps; k++)
		for (size_t lane = 0; lane < LANES; lane++)
			for (size_t v = 0; v < columns * PARTS; v++, p += WIDTH)
				store(p, tap(&g->filters, block * LANES + lane, group * GROUP * LANES + v * WIDTH, g->filter_taps, g->index[k]));
}

// copy_rows copies rows [from, from+count) and columns [left, left+width) of a plane, with zeros where there are none.
TARGET static void copy_rows(const float *plane, size_t h, size_t w, ptrdiff_t from, size_t count, ptrdiff_t left, size_t width, float *to) {
	for (size_t i = 0; i < count; i++, to += width * LANES) {
		ptrdiff_t y = from + (ptrdiff_t)i;
		if (y < 0 || y >= (ptrdiff_t)h) {
			memset(to, 0, width * LANES * sizeof *to);
			continue;
		}
		size_t before = left < 0 ? (size_t)-left : 0, begin = left < 0 ? 0 : (size_t)left;
		before = before < width ? before : width;
		size_t inside = begin < w ? w - begin : 0;
		inside = inside < width - before ? inside : width - before;
		memset(to, 0, before * LANES * sizeof *to);
		memcpy(to + before * LANES, plane + (y * w + begin) * LANES, inside * LANES * sizeof *to);
		memset(to + (before + inside) * LANES, 0, (width - before - inside) * LANES * sizeof *to);
	}
}

// gather_task makes rows of the grid, of one or of several images.
TARGET static void gather_task(void *job, size_t task) {
	struct gathering *g = job;
	size_t bands = (g->rows + g->band - 1) / g->band, image = task / bands * g->images, row = task % bands * g->band;
	size_t images = g->n - image < g->images ? g->n - image : g->images, rows = g->rows - row < g->band ? g->rows - row : g->band;
	size_t yplane = g->yh * g->yw * LANES, count = images * rows * g->columns, depth = g->in * g->taps;

	// What the task reads: the images themselves, or a copy of the rows it needs.
	const float *x = g->x + image * g->in * g->h * g->w * LANES;
	size_t h = g->h, w = g->w;
	ptrdiff_t top = 0, left = 0; // of what x holds
	if (g->padded) {
		top = (ptrdiff_t)(row * g->stride) + g->top, left = g->left;
		h = (rows - 1) * g->stride + (size_t)(g->bottom - g->top) + 1, w = (g->columns - 1) * g->stride + (size_t)(g->right - g->left) + 1;
	}
	size_t copied = g->padded ? images * g->in * h * w * LANES : 0;
	float *copy = goclr_take(copied + depth * sizeof(ptrdiff_t) / sizeof(float));
	if (!copy) {
		g->failed = 1;
		return;
	}
	if (g->padded) {
		for (size_t b = 0; b < images * g->in; b++)
			copy_rows(x + b * g->h * g->w * LANES, g->h, g->w, top, h, left, w, copy + b * h * w * LANES);
		x = copy;
	}
	ptrdiff_t *offsets = (ptrdiff_t *)(copy + copied); // many where channels are
	for (size_t c = 0; c < g->in; c++)
		for (size_t k = 0; k < g->taps; k++)
			offsets[c * g->taps + k] = ((ptrdiff_t)(c * h * w) + (g->down[k] - top) * (ptrdiff_t)w + g->across[k] - left) * LANES;

	const float *from[GRAIN];
	float *to[GRAIN];
	for (size_t first = 0; first < count; first += GRAIN) {
		size_t pixels = count - first < GRAIN ? count - first : GRAIN;
		for (size_t p = 0; p < pixels; p++) {
			size_t at = first + p, n = at / (rows * g->columns), i = row + at / g->columns % rows, j = at % g->columns;
			from[p] = x + (n * g->in * h * w + i * g->stride * w + j * g->stride) * LANES;
			to[p] = g->y + (image + n) * g->out * yplane + ((i * g->step + g->first_row) * g->yw + j * g->step + g->first_column) * LANES;
		}
		for (size_t group = 0; group < gathering_groups(g); group++) {
			size_t columns = columns_of(g->out, group);
			const float *packed = g->packed + group * GROUP * depth * LANES * LANES;
			for (size_t q = 0; q < depth; q += DEPTH) {
				size_t some = depth - q < DEPTH ? depth - q : DEPTH;
				for (size_t p = 0; p < pixels; p += ROWS) {
					const float *in[ROWS];
					float *out[ROWS];
					for (size_t r = 0; r < ROWS; r++) {
						size_t at = p + r < pixels ? p + r : pixels - 1; // the last one several times: it gets the same value
						in[r] = from[at];
						out[r] = to[at] + group * GROUP * yplane;
					}
					rows_product(columns, in, offsets + q, some, packed + q * LANES * columns * LANES, out, yplane, q == 0);
				}
			}
		}
	}
	goclr_give(copy);
}

// gather runs a gathering whose shapes, filters and taps are set.
TARGET static int gather(struct gathering *g, const struct team *t) {
	if (g->rows == 0 || g->columns == 0) return 0;
	g->top = g->bottom = g->down[0];
	g->left = g->right = g->across[0];
	for (size_t k = 1; k < g->taps; k++) {
		g->top = g->down[k] < g->top ? g->down[k] : g->top;
		g->bottom = g->down[k] > g->bottom ? g->down[k] : g->bottom;
		g->left = g->across[k] < g->left ? g->across[k] : g->left;
		g->right = g->across[k] > g->right ? g->across[k] : g->right;
	}
	g->padded = g->top < 0 || g->left < 0 || (ptrdiff_t)((g->rows - 1) * g->stride) + g->bottom >= (ptrdiff_t)g->h ||
	            (ptrdiff_t)((g->columns - 1) * g->stride) + g->right >= (ptrdiff_t)g->w;
	size_t pixels = g->rows * g->columns;
	g->images = pixels < GRAIN ? GRAIN / pixels : 1;
	g->band = pixels < GRAIN ? g->rows : (GRAIN + g->columns - 1) / g->columns;
	g->packed = goclr_take(gathering_groups(g) * GROUP * g->in * g->taps * LANES * LANES);
	if (!g->packed) return -1;
	t->run(t, pack_task, g, gathering_groups(g) * g->in);
	t->run(t, gather_task, g, (g->n + g->images - 1) / g->images * ((g->rows + g->band - 1) / g->band));
	goclr_give(g->packed);
	return g->failed ? -1 : 0;
}

TARGET static int direct_conv(const struct conv *s, const float *x, const float *w, float *y, const struct team *t) {
	struct gathering g = {
		.n = s->n, .in = blocks(s->c), .h = s->h, .w = s->w, .out = blocks(s->o), .yh = s->oh, .yw = s->ow, .rows = s->oh, .columns = s->ow,
		.step = 1, .stride = s->stride, .taps = s->k * s->k, .filters = {w, s->o, s->c, 0}, .filter_taps = s->k * s->k, .x = x, .y = y};
	for (size_t k = 0; k < g.taps; k++) {
		g.index[k] = k;
		g.down[k] = (ptrdiff_t)(k / s->k) - (ptrdiff_t)s->pad;
		g.across[k] = (ptrdiff_t)(k % s->k) - (ptrdiff_t)s->pad;
	}
	return gather(&g, t);
}

// direct_grad_input makes those pixels of dx together that the same taps reach: with stride 2, every other one of every
// other row.
TARGET static int direct_grad_input(const struct conv *s, const float *dy, const float *w, float *dx, const struct team *t) {
	size_t stride = s->stride, taps = s->k * s->k;
	int untouched = s->k < stride;
	if (untouched) memset(dx, 0, s->n * blocks(s->c) * s->h * s->w * LANES * sizeof *dx);
	for (size_t row = 0; row < stride; row++)
		for (size_t column = 0; column < stride; column++) {
			struct gathering g = {
				.n = s->n, .in = blocks(s->o), .h = s->oh, .w = s->ow, .out = blocks(s->c), .yh = s->h, .yw = s->w,
				.rows = (s->h + stride - 1 - row) / stride, .columns = (s->w + stride - 1 - column) / stride,
				.step = stride, .first_row = row, .first_column = column, .stride = 1,
				.filters = {w, s->o, s->c, 1}, .filter_taps = taps, .x = dy, .y = dx};
			for (size_t k = 0; k < taps; k++) {
				ptrdiff_t down = (ptrdiff_t)(row + s->pad) - (ptrdiff_t)(k / s->k), across = (ptrdiff_t)(column + s->pad) - (ptrdiff_t)(k % s->k);
				if (down % (ptrdiff_t)stride != 0 || across % (ptrdiff_t)stride != 0) continue;
				g.down[g.taps] = down / (ptrdiff_t)stride;
				g.across[g.taps] = across / (ptrdiff_t)stride;
				g.index[g.taps++] = taps - 1 - k;
			}
			if (g.taps > 0 && gather(&g, t) != 0) return -1;
		}
	return 0;
}

// A grading adds up dw of [in*taps, 16, out*16], in slabs of the images and parts of the input blocks.
struct grading {
	struct conv conv;
	size_t in, out, taps;
	const float *x, *dy;
	const struct pixels *pixels; // instead of x
	float *dw, *sums;
	size_t slabs, parts;
	atomic_int failed;
};

INLINE size_t grading_size(const struct grading *g) { return g->in * g->taps * LANES * g->out * LANES; }

// take_tap copies what one tap of one block reads for the pixels of one row of results.
TARGET static void take_tap(const struct grading *g, size_t image, size_t block, size_t k, size_t row, float *to) {
	const struct conv *s = &g->conv;
	ptrdiff_t y = (ptrdiff_t)(row * s->stride + k / s->k) - (ptrdiff_t)s->pad, x = (ptrdiff_t)(k % s->k) - (ptrdiff_t)s->pad;
	const float *plane = g->x + ((image * g->in + block) * s->h) * s->w * LANES;
	for (size_t j = 0; j < s->ow; j++, x += (ptrdiff_t)s->stride, to += LANES) {
		int inside = y >= 0 && y < (ptrdiff_t)s->h && x >= 0 && x < (ptrdiff_t)s->w;
		for (size_t part = 0; part < LANES; part += WIDTH)
			store(to + part, inside ? load(plane + (y * (ptrdiff_t)s->w + x) * LANES + part) : fill(0));
	}
}

// grade_task takes the rows of results of one slab, and the input blocks of one part.
TARGET static void grade_task(void *job, size_t task) {
	struct grading *g = job;
	const struct conv *s = &g->conv;
	size_t slab = task / g->parts, part = task % g->parts;
	size_t first = part * g->in / g->parts, end = (part + 1) * g->in / g->parts;
	size_t all = s->n * s->oh, row = slab * all / g->slabs, last = (slab + 1) * all / g->slabs;
	size_t some = (GRAIN + s->ow - 1) / s->ow, line = g->out * LANES, plane = s->oh * s->ow * LANES;
	float *sum = g->sums + slab * grading_size(g);
	float *a = goclr_take((g->out + 1) * some * s->ow * LANES);
	if (!a) {
		g->failed = 1;
		return;
	}
	float *b = a + some * s->ow * LANES;
	memset(sum + first * g->taps * LANES * line, 0, (end - first) * g->taps * LANES * line * sizeof *sum);
	for (; row < last; row += some) {
		size_t rows = last - row < some ? last - row : some, pixels = rows * s->ow;
		for (size_t v = 0; v < g->out; v++)
			for (size_t r = 0; r < rows; r++)
				memcpy(b + (v * pixels + r * s->ow) * LANES,
				       g->dy + ((row + r) / s->oh * g->out + v) * plane + (row + r) % s->oh * s->ow * LANES, s->ow * LANES * sizeof *b);
		for (size_t c = first; c < end; c++)
			for (size_t k = 0; k < g->taps; k++) {
				for (size_t r = 0; r < rows; r++) take_tap(g, (row + r) / s->oh, c, k, (row + r) % s->oh, a + r * s->ow * LANES);
				outer_product(g->out, a, b, pixels * LANES, pixels, sum + (c * g->taps + k) * LANES * line, line, 0);
			}
	}
	goclr_give(a);
}

// finish_task writes the gradient of the filters of one input block: the sum of all slabs, in their order.
TARGET static void finish_task(void *job, size_t block) {
	struct grading *g = job;
	const struct conv *s = &g->conv;
	size_t line = g->out * LANES;
	for (size_t k = 0; k < g->taps; k++)
		for (size_t i = 0; i < LANES && block * LANES + i < s->c; i++)
			for (size_t v = 0; v < line; v += WIDTH) {
				const float *p = g->sums + ((block * g->taps + k) * LANES + i) * line + v;
				vec sum = load(p);
				for (size_t slab = 1; slab < g->slabs; slab++) sum += load(p + slab * grading_size(g));
				for (size_t lane = 0; lane < WIDTH && v + lane < s->o; lane++)
					g->dw[((v + lane) * s->c + block * LANES + i) * g->taps + k] = sum[lane];
			}
}

// divide chooses the slabs and parts of a grading by its shapes.
TARGET static void divide(struct grading *g) {
	g->slabs = SUMS_LIMIT / grading_size(g);
	g->slabs = g->slabs > MAX_SLABS ? MAX_SLABS : g->slabs < 1 ? 1 : g->slabs;
	if (g->slabs > g->conv.n * g->conv.oh) g->slabs = g->conv.n * g->conv.oh;
	g->parts = MAX_SLABS / g->slabs;
	if (g->parts > g->in) g->parts = g->in;
}

TARGET static int direct_grad_filter(const struct conv *s, const float *x, const float *dy, float *dw, const struct team *t) {
	struct grading g = {.conv = *s, .in = blocks(s->c), .out = blocks(s->o), .taps = s->k * s->k, .x = x, .dy = dy, .dw = dw};
	divide(&g);
	g.sums = goclr_take(g.slabs * grading_size(&g));
	if (!g.sums) return -1;
	t->run(t, grade_task, &g, g.slabs * g.parts);
	if (!g.failed) t->run(t, finish_task, &g, g.in);
	goclr_give(g.sums);
	return g.failed ? -1 : 0;
}
