// Products of plain matrices, row-major, of any size and aligned to no more than a number: both factors are packed, with zeros
// beyond their ends, for rows_product.

// A task makes BAND rows by SWATH columns of the result.
enum { BAND = 48, SWATH = 128 };

// PANEL is how many columns registers hold.
enum { PANEL = COLUMNS * LANES };

_Static_assert(BAND % ROWS == 0 && SWATH % PANEL == 0, "tasks must not share what registers hold together");

// A factor is op(x) [rows, columns], where op(x) is x or, transposed, lies in memory as [columns, rows].
struct factor {
	const float *x;
	size_t rows, columns;
	int transposed;
};

// The rows of a are packed as [ceil(m/ROWS), depth, ROWS, 16], unless they can be read where they lie; the columns of b as
// [ceil(n/PANEL), depth, 16, PANEL], of which the last panel is as narrow as whole blocks allow.
struct product {
	struct factor a, b;
	size_t depth; // in blocks of 16
	float *rows, *columns, *out; // rows is NULL where a is not packed
};

INLINE size_t at_most(size_t limit, size_t size) { return size < limit ? size : limit; }

INLINE size_t rounded(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

// pack_tile writes height by width of a factor, from (row, column) on.
INLINE void pack_tile(const struct factor *f, size_t row, size_t column, size_t height, size_t width, float *to) {
	size_t h = at_most(height, f->rows - row), w = at_most(width, f->columns - column);
	int whole = h == height && w == width;
	if (!whole) memset(to, 0, height * width * sizeof *to);
	if (f->transposed) {
		const float *x = f->x + column * f->rows + row;
		if (whole) // with sizes that the compiler knows
			for (size_t j = 0; j < width; j++)
				for (size_t i = 0; i < height; i++) to[i * width + j] = x[j * f->rows + i];
		else
			for (size_t j = 0; j < w; j++)
				for (size_t i = 0; i < h; i++) to[i * width + j] = x[j * f->rows + i];
		return;
	}
	const float *x = f->x + row * f->columns + column;
	if (whole)
		for (size_t i = 0; i < height; i++) memcpy(to + i * width, x + i * f->columns, width * sizeof *to);
	else
		for (size_t i = 0; i < h; i++) memcpy(to + i * width, x + i * f->columns, w * sizeof *to);
}

// pack_rows_task packs a band of a.
TARGET static void pack_rows_task(void *job, size_t band) {
	struct product *g = job;
	for (size_t row = band * BAND, end = at_most(g->a.rows, row + BAND); row < end; row += ROWS)
		for (size_t q = 0; q < g->depth; q++)
			pack_tile(&g->a, row, q * LANES, ROWS, LANES, g->rows + (row * g->depth + q * ROWS) * LANES);
}

INLINE size_t panel_width(const struct product *g, size_t column) {
	return at_most(PANEL, rounded(g->b.columns - column, LANES));
}

// pack_columns_tile packs one block of the depth of a panel of b.
INLINE void pack_columns_tile(const struct product *g, size_t panel, size_t q) {
	size_t column = panel * PANEL, width = panel_width(g, column);
	float *to = g->columns + (column * g->depth + q * width) * LANES;
	if (width == PANEL)
		pack_tile(&g->b, q * LANES, column, LANES, PANEL, to);
	else
		pack_tile(&g->b, q * LANES, column, LANES, width, to);
}

// pack_panel_task packs a panel of b, pack_depth_task a block of its depth: each reads lines of memory to their ends, where b is
// transposed and where it is not.
TARGET static void pack_panel_task(void *job, size_t panel) {
	struct product *g = job;
	for (size_t q = 0; q < g->depth; q++) pack_columns_tile(g, panel, q);
}

TARGET static void pack_depth_task(void *job, size_t q) {
	struct product *g = job;
	for (size_t panel = 0; panel * PANEL < g->b.columns; panel++) pack_columns_tile(g, panel, q);
}

TARGET static void product_task(void *job, size_t task) {
	struct product *g = job;
	size_t swaths = (g->b.columns + SWATH - 1) / SWATH, first = task / swaths * BAND, from = task % swaths * SWATH;
	size_t last = at_most(g->a.rows, first + BAND), to = at_most(g->b.columns, from + SWATH);
	float tile[BAND * PANEL] __attribute__((aligned(4 * LANES)));
	size_t step = g->rows ? ROWS * LANES : LANES; // from block to block of the depth
	ptrdiff_t offsets[DEPTH];
	for (size_t q = 0; q < DEPTH; q++) offsets[q] = (ptrdiff_t)(q * step);
	for (size_t column = from; column < to; column += PANEL) {
		size_t width = panel_width(g, column), q = 0;
		const float *w = g->columns + column * g->depth * LANES;
		do {
			size_t some = at_most(DEPTH, g->depth - q);
			for (size_t row = first; row < last; row += ROWS) {
				const float *in[ROWS];
				float *out[ROWS];
				for (size_t r = 0; r < ROWS; r++) {
					const float *line = g->rows ? g->rows + (row * g->depth + r) * LANES : g->a.x + at_most(g->a.rows - 1, row + r) * g->a.columns;
					in[r] = line + q * step;
					out[r] = tile + (row - first + r) * PANEL;
				}
				rows_product(width / LANES, in, offsets, some, w + q * LANES * width, out, LANES, q == 0);
			}
			q += some;
		} while (q < g->depth);
		for (size_t row = first; row < last; row++)
			memcpy(g->out + row * g->b.columns + column, tile + (row - first) * PANEL, at_most(width, g->b.columns - column) * sizeof *tile);
	}
}

TARGET static int matmul(size_t m, size_t n, size_t k, const float *a, int trans_a, const float *b, int trans_b, float *out,
                         const struct team *t) {
	struct product g = {.a = {a, m, k, trans_a}, .b = {b, k, n, trans_b}, .depth = blocks(k), .out = out};
	int in_place = !trans_a && k % LANES == 0;
	size_t rows = in_place ? 0 : rounded(rounded(m, ROWS) * g.depth, LANES) * LANES;
	float *packed = goclr_take(rows + rounded(n, LANES) * g.depth * LANES);
	if (!packed) return -1;
	g.rows = in_place ? NULL : packed;
	g.columns = packed + rows;
	size_t bands = (m + BAND - 1) / BAND;
	if (!in_place) t->run(t, pack_rows_task, &g, bands);
	if (trans_b)
		t->run(t, pack_panel_task, &g, (n + PANEL - 1) / PANEL);
	else
		t->run(t, pack_depth_task, &g, g.depth);
	t->run(t, product_task, &g, bands * ((n + SWATH - 1) / SWATH));
	goclr_give(packed);
	return 0;
}
