// The steps of colour.go over tiles that stay in the cache. A tile is three planes of 16-bit levels. Loops run over whole
// tiles, also where the image has ended, because compilers make the best of a constant length.
enum { TILE = 1024 };

struct tile {
	_Alignas(64) int16_t plane[3][TILE];
};

#ifdef AVX2
// Compilers need twice the time that these take to part the channels of 16 pixels and to join them.

TARGET static inline __m256i lanes(const uint8_t *low, const uint8_t *high) {
	return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)low)), _mm_loadu_si128((const __m128i *)high), 1);
}

TARGET static inline void load16(struct tile *t, size_t i, const uint8_t *p) {
	enum { O = -1 };
	// Eight pixels to a lane: bytes 0 to 15 of their 24 in a, bytes 8 to 23 in b.
	const __m256i a = lanes(p, p + 24), b = lanes(p + 8, p + 32);
	const __m128i from_a[3] = {
		_mm_setr_epi8(0, O, 3, O, 6, O, 9, O, 12, O, 15, O, O, O, O, O),
		_mm_setr_epi8(1, O, 4, O, 7, O, 10, O, 13, O, O, O, O, O, O, O),
		_mm_setr_epi8(2, O, 5, O, 8, O, 11, O, 14, O, O, O, O, O, O, O),
	};
	const __m128i from_b[3] = {
		_mm_setr_epi8(O, O, O, O, O, O, O, O, O, O, O, O, 10, O, 13, O),
		_mm_setr_epi8(O, O, O, O, O, O, O, O, O, O, 8, O, 11, O, 14, O),
		_mm_setr_epi8(O, O, O, O, O, O, O, O, O, O, 9, O, 12, O, 15, O),
	};
	for (int c = 0; c < 3; c++) {
		__m256i v = _mm256_or_si256(_mm256_shuffle_epi8(a, _mm256_broadcastsi128_si256(from_a[c])),
		                            _mm256_shuffle_epi8(b, _mm256_broadcastsi128_si256(from_b[c])));
		_mm256_store_si256((__m256i *)(t->plane[c] + i), v);
	}
}

TARGET static inline void store16(uint8_t *p, const struct tile *t, size_t i) {
	enum { O = -1 };
	const __m256i r = _mm256_load_si256((const __m256i *)(t->plane[0] + i));
	const __m256i g = _mm256_load_si256((const __m256i *)(t->plane[1] + i));
	const __m256i b = _mm256_load_si256((const __m256i *)(t->plane[2] + i));
	const __m256i rg = _mm256_or_si256(r, _mm256_slli_epi16(g, 8));
	const __m256i first = _mm256_or_si256(
		_mm256_shuffle_epi8(rg, _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, O, 2, 3, O, 4, 5, O, 6, 7, O, 8, 9, O, 10))),
		_mm256_shuffle_epi8(b, _mm256_broadcastsi128_si256(_mm_setr_epi8(O, O, 0, O, O, 2, O, O, 4, O, O, 6, O, O, 8, O))));
	const __m256i rest = _mm256_or_si256(
		_mm256_shuffle_epi8(rg, _mm256_broadcastsi128_si256(_mm_setr_epi8(11, O, 12, 13, O, 14, 15, O, O, O, O, O, O, O, O, O))),
		_mm256_shuffle_epi8(b, _mm256_broadcastsi128_si256(_mm_setr_epi8(O, 10, O, O, 12, O, O, 14, O, O, O, O, O, O, O, O))));
	_mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(first));
	_mm_storel_epi64((__m128i *)(p + 16), _mm256_castsi256_si128(rest));
	_mm_storeu_si128((__m128i *)(p + 24), _mm256_extracti128_si256(first, 1));
	_mm_storel_epi64((__m128i *)(p + 40), _mm256_extracti128_si256(rest, 1));
}
#endif

TARGET static inline int16_t min16(int16_t a, int16_t b) { return a < b ? a : b; }
TARGET static inline int16_t max16(int16_t a, int16_t b) { return a > b ? a : b; }
TARGET static inline int16_t abs16(int16_t a) { return max16(a, -a); }
TARGET static inline int16_t clamp16(int16_t v) { return min16(max16(v, 0), 255); }

// product returns v*f>>9 of 16-bit numbers by the instruction that keeps the upper half of a product.
TARGET static inline int16_t product(int16_t v, int16_t f) { return ((int16_t)(v << 7) * f) >> 16; }

// shift_right returns v >> 16-n for factor = 1 << n by the same instruction: shifts by a variable are done in 32 bits.
TARGET static inline int16_t shift_right(int16_t v, int16_t factor) { return (v * factor) >> 16; }

// grey256 returns the grey level in 1/256.
TARGET static inline uint16_t grey256(int16_t r, int16_t g, int16_t b) {
	const uint16_t wr = 19589, wg = 38470, wb = 7471;
	return (uint16_t)(((uint32_t)(uint16_t)(r << 8) * wr) >> 16) + (uint16_t)(((uint32_t)(uint16_t)(g << 8) * wg) >> 16) +
	       (uint16_t)(((uint32_t)(uint16_t)(b << 8) * wb) >> 16);
}

TARGET static void load_tile(struct tile *t, const uint8_t *pix, size_t pixels) {
	size_t i = 0;
#ifdef AVX2
	for (; i + 16 <= pixels; i += 16)
		load16(t, i, pix + 3 * i);
#endif
	for (; i < pixels; i++)
		for (int c = 0; c < 3; c++)
			t->plane[c][i] = pix[3 * i + c];
}

TARGET static void store_tile(uint8_t *pix, const struct tile *t, size_t pixels) {
	size_t i = 0;
#ifdef AVX2
	for (; i + 16 <= pixels; i += 16)
		store16(pix + 3 * i, t, i);
#endif
	for (; i < pixels; i++)
		for (int c = 0; c < 3; c++)
			pix[3 * i + c] = t->plane[c][i];
}

TARGET static void affine(struct tile *t, const struct colour_step *s) {
	const int16_t factor = s->factor, down = 1 << (16 - s->shift);
	for (int c = 0; c < 3; c++) {
		int16_t *p = t->plane[c];
		const int16_t add = s->add[c];
		for (int i = 0; i < TILE; i++)
			p[i] = clamp16(shift_right(product(p[i], factor) + add, down));
	}
}

TARGET static void blend(struct tile *t, const struct colour_step *s) {
	const int16_t factor = s->factor, add = s->add[0], up = 1 << s->shift, down = 1 << (16 - s->shift);
	int16_t *r = t->plane[0], *g = t->plane[1], *b = t->plane[2];
	for (int i = 0; i < TILE; i++) {
		int16_t grey = grey256(r[i], g[i], b[i]) >> 8;
		int16_t rest = grey * up + add;
		r[i] = clamp16(shift_right(product(r[i] - grey, factor) + rest, down));
		g[i] = clamp16(shift_right(product(g[i] - grey, factor) + rest, down));
		b[i] = clamp16(shift_right(product(b[i] - grey, factor) + rest, down));
	}
}

TARGET static void turn_hue(struct tile *t, const struct colour_step *s) {
	const int16_t factor = s->factor, add = s->add[0], down = 1 << (16 - s->shift);
	int16_t *r = t->plane[0], *g = t->plane[1], *b = t->plane[2];
	for (int i = 0; i < TILE; i++) {
		int16_t hi = max16(max16(r[i], g[i]), b[i]), lo = min16(min16(r[i], g[i]), b[i]);
		int16_t d = hi - lo;
		int16_t h = r[i] - g[i] - 2 * d;
		h = hi == g[i] ? b[i] - r[i] + 2 * d : h;
		h = hi == r[i] ? g[i] - b[i] : h;
		h = (h << 4) + product(d, factor);
		hi <<= 4;
		d <<= 4;
		const int16_t at[3] = {h, h - 2 * d, h + 2 * d};
		for (int c = 0; c < 3; c++) {
			int16_t away = abs16(at[c]);
			away = min16(away, abs16(away - 6 * d));
			int16_t v = hi - min16(max16(away - d, 0), d);
			t->plane[c][i] = (int16_t)(v + shift_right(v, down) + add) >> 4;
		}
	}
}

TARGET static void saturate(struct tile *t, const struct colour_step *s) {
	enum { BITS = 14 };
	const float factor = s->factor;
	const int32_t add = s->add[0];
	int16_t *r = t->plane[0], *g = t->plane[1], *b = t->plane[2];
	for (int i = 0; i < TILE; i++) {
		int32_t hi = max16(max16(r[i], g[i]), b[i]), lo = min16(min16(r[i], g[i]), b[i]);
		int32_t d = hi - lo > 1 ? hi - lo : 1;
		float most = (float)(hi << BITS) / (float)d;
		float f = factor < most ? factor : most;
		for (int c = 0; c < 3; c++) {
			int32_t away = (float)(hi - t->plane[c][i]) * f;
			int32_t v = ((hi << BITS) - away + add) >> BITS;
			t->plane[c][i] = v > 0 ? v : 0;
		}
	}
}

TARGET static void to_grey(struct tile *t, const struct colour_step *s) {
	const uint16_t add = s->add[0];
	int16_t *r = t->plane[0], *g = t->plane[1], *b = t->plane[2];
	for (int i = 0; i < TILE; i++)
		r[i] = g[i] = b[i] = (uint16_t)(grey256(r[i], g[i], b[i]) + add) >> 8;
}

TARGET static void solarize(struct tile *t, const struct colour_step *s) {
	const int16_t from = s->factor;
	for (int c = 0; c < 3; c++) {
		int16_t *p = t->plane[c];
		for (int i = 0; i < TILE; i++)
			p[i] = p[i] >= from ? 255 - p[i] : p[i];
	}
}

TARGET static void sum_grey(const struct tile *t, size_t pixels, struct colour_step *s) {
	const int16_t *r = t->plane[0], *g = t->plane[1], *b = t->plane[2];
	uint32_t sum = 0;
	for (size_t i = 0; i < pixels; i++)
		sum += grey256(r[i], g[i], b[i]) >> 8;
	s->sum[0] += sum;
}

TARGET static void sum_channels(const struct tile *t, size_t pixels, struct colour_step *s) {
	for (int c = 0; c < 3; c++) {
		uint32_t sum = 0;
		for (size_t i = 0; i < pixels; i++)
			sum += t->plane[c][i];
		s->sum[c] += sum;
	}
}

TARGET static void colour(uint8_t *pix, size_t pixels, struct colour_step *steps, size_t n) {
	struct tile t = {0};
	for (size_t done = 0; done < pixels; done += TILE) {
		size_t size = pixels - done < TILE ? pixels - done : TILE;
		load_tile(&t, pix + 3 * done, size);
		for (size_t i = 0; i < n; i++) {
			struct colour_step *s = &steps[i];
			switch (s->kind) {
			case STEP_AFFINE: affine(&t, s); break;
			case STEP_BLEND: blend(&t, s); break;
			case STEP_SATURATE: saturate(&t, s); break;
			case STEP_HUE: turn_hue(&t, s); break;
			case STEP_GREY: to_grey(&t, s); break;
			case STEP_SOLARIZE: solarize(&t, s); break;
			case STEP_GREY_SUM: sum_grey(&t, size, s); break;
			case STEP_CHANNEL_SUMS: sum_channels(&t, size, s); break;
			}
		}
		if (n > 0 && steps[0].kind < STEP_GREY_SUM)
			store_tile(pix + 3 * done, &t, size);
	}
}
