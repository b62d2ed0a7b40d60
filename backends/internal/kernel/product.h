// The two matrix products that convolutions are made of. What they keep in registers: ROWS by COLUMNS blocks of the result of
// the one, PLANES lines by BREADTH blocks of the other.
#if defined(LEVEL_AVX512)
enum { ROWS = 6, COLUMNS = 4, PLANES = 8, BREADTH = 2 };
#elif defined(LEVEL_AVX2)
enum { ROWS = 6, COLUMNS = 1, PLANES = 4, BREADTH = 1 };
#elif defined(__aarch64__)
enum { ROWS = 6, COLUMNS = 1, PLANES = 4, BREADTH = 1 };
#else
enum { ROWS = 2, COLUMNS = 1, PLANES = 2, BREADTH = 1 };
#endif

// GROUP is how many blocks of output channels lie together in packed filters.
enum { GROUP = 4 };

// rows_by adds to y the products of ROWS rows with `columns` blocks of packed filters: for each of `count` offsets, 16 numbers
// of each row by 16 lines of the filters. Block v of a result lies v*stride after the first.
INLINE void rows_by(int columns, const float *const x[ROWS], const ptrdiff_t *offsets, size_t count, const float *w, size_t line,
                    float *const y[ROWS], size_t stride, int first) {
	vec sum[ROWS][COLUMNS * PARTS];
#pragma GCC unroll 8
	for (int p = 0; p < ROWS; p++)
#pragma GCC unroll 4
		for (int v = 0; v < columns * PARTS; v++) sum[p][v] = first ? fill(0) : load(y[p] + v / PARTS * stride + v % PARTS * WIDTH);
	for (size_t q = 0; q < count; q++) {
		ptrdiff_t at = offsets[q];
#pragma GCC unroll 2
		for (int i = 0; i < LANES; i++, w += line) {
			vec b[COLUMNS * PARTS];
#pragma GCC unroll 4
			for (int v = 0; v < columns * PARTS; v++) b[v] = load(w + v * WIDTH);
#pragma GCC unroll 8
			for (int p = 0; p < ROWS; p++) {
				vec a = fill(x[p][at + i]);
#pragma GCC unroll 4
				for (int v = 0; v < columns * PARTS; v++) sum[p][v] += a * b[v];
			}
		}
	}
#pragma GCC unroll 8
	for (int p = 0; p < ROWS; p++)
#pragma GCC unroll 4
		for (int v = 0; v < columns * PARTS; v++) store(y[p] + v / PARTS * stride + v % PARTS * WIDTH, sum[p][v]);
}

#define ROWS_BY(columns)                                                                                                           \
	static __attribute__((noinline)) TARGET void rows_by_##columns(const float *const x[ROWS], const ptrdiff_t *offsets,            \
	                                                              size_t count, const float *w, size_t line, float *const y[ROWS], \
	                                                              size_t stride, int first) {                                      \
		rows_by(columns, x, offsets, count, w, line, y, stride, first);                                                                \
	}
ROWS_BY(1)
#if defined(LEVEL_AVX512)
ROWS_BY(2)
ROWS_BY(3)
ROWS_BY(4)
#endif

// rows_product is rows_by for any number of columns up to GROUP.
TARGET static void rows_product(size_t columns, const float *const x[ROWS], const ptrdiff_t *offsets, size_t count, const float *w,
                                float *const y[ROWS], size_t stride, int first) {
	size_t line = columns * LANES;
#if defined(LEVEL_AVX512)
	switch (columns) {
	case 1: rows_by_1(x, offsets, count, w, line, y, stride, first); return;
	case 2: rows_by_2(x, offsets, count, w, line, y, stride, first); return;
	case 3: rows_by_3(x, offsets, count, w, line, y, stride, first); return;
	default: rows_by_4(x, offsets, count, w, line, y, stride, first); return;
	}
#else
	for (size_t v = 0; v < columns; v++) {
		float *at[ROWS];
		for (int p = 0; p < ROWS; p++) at[p] = y[p] + v * stride;
		rows_by_1(x, offsets, count, w + v * LANES, line, at, stride, first);
	}
#endif
}

// outer_by adds to sum [16, .] the products of the k'th blocks of a and b, for PLANES lanes of a and `breadth` blocks of b.
INLINE void outer_by(int breadth, const float *a, const float *b, size_t stride, size_t count, float *sum, size_t line, int first) {
	vec s[PLANES][BREADTH * PARTS];
#pragma GCC unroll 8
	for (int i = 0; i < PLANES; i++)
#pragma GCC unroll 4
		for (int v = 0; v < breadth * PARTS; v++) s[i][v] = first ? fill(0) : load(sum + i * line + v * WIDTH);
#pragma GCC unroll 2
	for (size_t k = 0; k < count; k++, a += LANES, b += LANES) {
		vec c[BREADTH * PARTS];
#pragma GCC unroll 4
		for (int v = 0; v < breadth * PARTS; v++) c[v] = load(b + v / PARTS * stride + v % PARTS * WIDTH);
#pragma GCC unroll 8
		for (int i = 0; i < PLANES; i++) {
			vec f = fill(a[i]);
#pragma GCC unroll 4
			for (int v = 0; v < breadth * PARTS; v++) s[i][v] += f * c[v];
		}
	}
#pragma GCC unroll 8
	for (int i = 0; i < PLANES; i++)
#pragma GCC unroll 4
		for (int v = 0; v < breadth * PARTS; v++) store(sum + i * line + v * WIDTH, s[i][v]);
}

#define OUTER_BY(breadth)                                                                                                      \
	static __attribute__((noinline)) TARGET void outer_by_##breadth(const float *a, const float *b, size_t stride, size_t count, \
	                                                               float *sum, size_t line, int first) {                       \
		outer_by(breadth, a, b, stride, count, sum, line, first);                                                                \
	}
OUTER_BY(1)
#if defined(LEVEL_AVX512)
OUTER_BY(2)
#endif

// outer_product adds to sum, 16 lines of `line` numbers, the outer products of the k'th block of a, of all k below count, with
// the k'th blocks of b, of which there are `columns`, each `stride` after the one before.
TARGET static void outer_product(size_t columns, const float *a, const float *b, size_t stride, size_t count, float *sum, size_t line,
                                 int first) {
	for (size_t v = 0; v < columns; v += BREADTH)
		for (int i = 0; i < LANES; i += PLANES) {
			const float *f = a + i, *c = b + v * stride;
			float *s = sum + i * line + v * LANES;
#if defined(LEVEL_AVX512)
			if (v + 1 < columns) {
				outer_by_2(f, c, stride, count, s, line, first);
				continue;
			}
#endif
			outer_by_1(f, c, stride, count, s, line, first);
		}
}
