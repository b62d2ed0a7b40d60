// What product.c compiles for each set of instructions: MULTIPLY, for TARGET, with vectors of BYTES.

typedef float VECTOR __attribute__((vector_size(BYTES)));
typedef VECTOR UNALIGNED __attribute__((aligned(4)));

// BLOCK computes rows by two vectors of c, which stay in registers. The number of rows is a constant where it is called.
static inline __attribute__((always_inline)) TARGET void BLOCK(float *c, const float *a, const float *b, size_t rows,
                                                               size_t n, size_t k, size_t stride) {
	VECTOR sum[ROWS][2] = {0};
	for (size_t l = 0; l < k; l++, b += stride) {
		VECTOR x = *(const UNALIGNED *)b, y = *((const UNALIGNED *)b + 1);
		for (size_t i = 0; i < rows; i++) {
			sum[i][0] += a[i * k + l] * x;
			sum[i][1] += a[i * k + l] * y;
		}
	}
	for (size_t i = 0; i < rows; i++)
		memcpy(c + i * n, sum[i], sizeof sum[i]);
}

static TARGET void MULTIPLY(float *c, const float *a, const float *b, size_t m, size_t n, size_t k, size_t stride) {
	const size_t columns = 2 * BYTES / sizeof(float);
	size_t i, j;
	for (j = 0; j + columns <= n; j += columns) {
		for (i = 0; i + ROWS <= m; i += ROWS)
			BLOCK(c + i * n + j, a + i * k, b + j, ROWS, n, k, stride);
		for (; i < m; i++)
			BLOCK(c + i * n + j, a + i * k, b + j, 1, n, k, stride);
	}
	for (; j < n; j++)
		for (i = 0; i < m; i++) {
			float sum = 0;
			for (size_t l = 0; l < k; l++)
				sum += a[i * k + l] * b[l * stride + j];
			c[i * n + j] = sum;
		}
}

#undef VECTOR
#undef UNALIGNED
#undef BLOCK
#undef MULTIPLY
#undef TARGET
#undef BYTES
