// blur.go in C.

enum { MAX_RADIUS = 60 };

// sum_pairs computes n sums, a multiple of 32.
#ifdef AVX2

TARGET static inline __m256i pair(const int16_t *a, const int16_t *b) {
	return _mm256_add_epi16(_mm256_loadu_si256((const __m256i *)a), _mm256_loadu_si256((const __m256i *)b));
}

TARGET static void sum_pairs(int16_t *sums, size_t n, int16_t start, const int16_t *const *a, const int16_t *const *b, const int16_t *weights,
			     int radius) {
	for (size_t i = 0; i < n; i += 32) {
		__m256i s = _mm256_set1_epi16(start), t = s;
		for (int k = 0; k <= radius; k++) {
			__m256i w = _mm256_set1_epi16(weights[k]);
			s = _mm256_add_epi16(s, _mm256_mulhrs_epi16(pair(a[k] + i, b[k] + i), w));
			t = _mm256_add_epi16(t, _mm256_mulhrs_epi16(pair(a[k] + i + 16, b[k] + i + 16), w));
		}
		_mm256_storeu_si256((__m256i *)(sums + i), s);
		_mm256_storeu_si256((__m256i *)(sums + i + 16), t);
	}
}

#else

TARGET static void sum_pairs(int16_t *sums, size_t n, int16_t start, const int16_t *const *a, const int16_t *const *b, const int16_t *weights,
			     int radius) {
	for (size_t i = 0; i < n; i += 32) {
		int32_t s[32];
		for (int j = 0; j < 32; j++)
			s[j] = start;
		for (int k = 0; k <= radius; k++) {
			const int16_t *p = a[k] + i, *q = b[k] + i;
			for (int j = 0; j < 32; j++)
				s[j] += ((p[j] + q[j]) * weights[k] + (1 << 14)) >> 15;
		}
		for (int j = 0; j < 32; j++)
			sums[i + j] = s[j];
	}
}

#endif

TARGET static inline int reflected(int i, int n) { return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i; }

TARGET static void blur(uint8_t *pix, int w, int h, const int16_t *weights, int radius, int reflect, int16_t *scratch) {
	size_t n = 3 * (size_t)w, stride = (n + 31) / 32 * 32;
	int depth = 2 * radius + 1, ready = 0;
	int16_t *ring = scratch, *sums = ring + depth * stride, *black = sums + stride, *line = black + stride + 3 * radius;
	const int16_t *above[MAX_RADIUS + 1], *below[MAX_RADIUS + 1], *left[MAX_RADIUS + 1], *right[MAX_RADIUS + 1];
	memset(black, 0, stride * sizeof *black);
	memset(line - 3 * radius, 0, (stride + 6 * radius) * sizeof *line);
	for (int k = 0; k <= radius; k++) {
		left[k] = line - 3 * k;
		right[k] = line + 3 * k;
	}
	for (int y = 0; y < h; y++, pix += n) {
		for (; ready < h && ready <= y + radius; ready++) {
			const uint8_t *in = pix + (ready - y) * n;
			int16_t *out = ring + ready % depth * stride;
			for (size_t i = 0; i < n; i++)
				out[i] = in[i] << 6;
		}
		for (int k = 0; k <= radius; k++) {
			above[k] = !reflect && y - k < 0 ? black : ring + reflected(y - k, h) % depth * stride;
			below[k] = !reflect && y + k >= h ? black : ring + reflected(y + k, h) % depth * stride;
		}
		sum_pairs(sums, stride, 1, above, below, weights, radius);
		for (size_t i = 0; i < n; i++)
			line[i] = sums[i] >> 1;
		if (reflect)
			for (int i = 3; i <= 3 * radius; i += 3)
				for (int c = 0; c < 3; c++) {
					line[c - i] = line[c + i];
					line[n - 3 + c + i] = line[n - 3 + c - i];
				}
		sum_pairs(sums, stride, 64, left, right, weights, radius);
		for (size_t i = 0; i < n; i++)
			pix[i] = sums[i] >> 7;
	}
}
