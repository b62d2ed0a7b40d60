// blur.go in C.

enum { MAX_RADIUS = 60 };

// sum_pairs computes sums without their last shift bits, n of them, a multiple of 96.
enum { GROUP = 96 };

#ifdef AVX2

TARGET static inline __m256i pair(const int16_t *a, const int16_t *b) {
	return _mm256_add_epi16(_mm256_loadu_si256((const __m256i *)a), _mm256_loadu_si256((const __m256i *)b));
}

TARGET static void sum_pairs(int16_t *sums, size_t n, int shift, const int16_t *const *a, const int16_t *const *b, const int16_t *weights,
			     int radius) {
	for (size_t i = 0; i < n; i += GROUP) {
		__m256i s[GROUP / 16];
		for (int j = 0; j < GROUP / 16; j++)
			s[j] = _mm256_set1_epi16(1 << (shift - 1));
		for (int k = 0; k <= radius; k++) {
			__m256i w = _mm256_set1_epi16(weights[k]);
			for (int j = 0; j < GROUP / 16; j++)
				s[j] = _mm256_add_epi16(s[j], _mm256_mulhrs_epi16(pair(a[k] + i + 16 * j, b[k] + i + 16 * j), w));
		}
		for (int j = 0; j < GROUP / 16; j++)
			_mm256_storeu_si256((__m256i *)(sums + i + 16 * j), _mm256_srai_epi16(s[j], shift));
	}
}

#else

TARGET static void sum_pairs(int16_t *sums, size_t n, int shift, const int16_t *const *a, const int16_t *const *b, const int16_t *weights,
			     int radius) {
	for (size_t i = 0; i < n; i += 16) {
		int16_t s[16];
		for (int j = 0; j < 16; j++)
			s[j] = 1 << (shift - 1);
		for (int k = 0; k <= radius; k++) {
			const int16_t *p = a[k] + i, *q = b[k] + i;
			for (int j = 0; j < 16; j++)
				s[j] += (int16_t)(((int16_t)(p[j] + q[j]) * weights[k] + (1 << 14)) >> 15);
		}
		for (int j = 0; j < 16; j++)
			sums[i + j] = s[j] >> shift;
	}
}

#endif

TARGET static inline int reflected(int i, int n) { return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i; }

TARGET static void blur(uint8_t *pix, int w, int h, const int16_t *weights, int radius, int reflect, int depth, int16_t *scratch) {
	size_t n = 3 * (size_t)w, stride = (n + GROUP - 1) / GROUP * GROUP;
	int16_t *ring = scratch, *levels = ring + depth * stride, *black = levels + stride, *line = black + stride + 3 * radius;
	const int16_t *above[MAX_RADIUS + 1], *below[MAX_RADIUS + 1], *left[MAX_RADIUS + 1], *right[MAX_RADIUS + 1];
	memset(black, 0, (2 * stride + 6 * radius) * sizeof *black); // and line, with its margins
	for (int k = 0; k <= radius; k++) {
		left[k] = line - 3 * k;
		right[k] = line + 3 * k;
	}
	int ready = 0;
	for (int y = 0; y < h; y++) {
		for (; ready < h && ready <= y + radius; ready++) {
			const uint8_t *in = pix + ready * n;
			int16_t *out = ring + (ready & (depth - 1)) * stride;
			for (size_t i = 0; i < n; i++)
				out[i] = in[i] << 6;
		}
		for (int k = 0; k <= radius; k++) {
			above[k] = !reflect && y - k < 0 ? black : ring + (reflected(y - k, h) & (depth - 1)) * stride;
			below[k] = !reflect && y + k >= h ? black : ring + (reflected(y + k, h) & (depth - 1)) * stride;
		}
		sum_pairs(line, stride, 1, above, below, weights, radius);
		for (int i = 3; i <= 3 * radius; i += 3)
			for (int c = 0; c < 3; c++) {
				line[c - i] = reflect ? line[c + i] : 0;
				line[n - 3 + c + i] = reflect ? line[n - 3 + c - i] : 0;
			}
		sum_pairs(levels, stride, 7, left, right, weights, radius);
		for (size_t i = 0; i < n; i++)
			pix[y * n + i] = levels[i];
	}
}
