// The steps of colour.go over tiles that stay in the cache. A tile is three planes of 16-bit levels. Loops run over whole
// tiles, also where the image has ended, because compilers make the best of a constant length.
enum { TILE = 1024 };

struct tile {
	_Alignas(64) int16_t plane[3][TILE];
};

TARGET static inline int16_t min16(int16_t a, int16_t b) { return a < b ? a : b; }
TARGET static inline int16_t max16(int16_t a, int16_t b) { return a > b ? a : b; }
TARGET static inline int16_t abs16(int16_t a) { return max16(a, -a); }
TARGET static inline int16_t clamp16(int16_t v) { return min16(max16(v, 0), 255); }

// product returns v*f>>9 of 16-bit numbers by the instruction that keeps the upper half of a product.
TARGET static inline int16_t product(int16_t v, int16_t f) { return ((int16_t)(v << 7) * f) >> 16; }

// grey256 returns the grey level in 1/256.
TARGET static inline uint16_t grey256(int16_t r, int16_t g, int16_t b) {
	const uint16_t wr = 19589, wg = 38470, wb = 7471;
	return (uint16_t)(((uint32_t)(uint16_t)(r << 8) * wr) >> 16) + (uint16_t)(((uint32_t)(uint16_t)(g << 8) * wg) >> 16) +
	       (uint16_t)(((uint32_t)(uint16_t)(b << 8) * wb) >> 16);
}

TARGET static void load_tile(struct tile *t, const uint8_t *pix, size_t pixels) {
	for (size_t i = 0; i < pixels; i++) {
		t->plane[0][i] = pix[3 * i];
		t->plane[1][i] = pix[3 * i + 1];
		t->plane[2][i] = pix[3 * i + 2];
	}
}

TARGET static void store_tile(uint8_t *pix, const struct tile *t, size_t pixels) {
	for (size_t i = 0; i < pixels; i++) {
		pix[3 * i] = t->plane[0][i];
		pix[3 * i + 1] = t->plane[1][i];
		pix[3 * i + 2] = t->plane[2][i];
	}
}

TARGET static void affine(struct tile *t, const struct colour_step *s) {
	const int16_t factor = s->factor;
	for (int c = 0; c < 3; c++) {
		int16_t *p = t->plane[c];
		const int16_t add = s->add[c];
		for (int i = 0; i < TILE; i++)
			p[i] = clamp16((int16_t)(product(p[i], factor) + add) >> s->shift);
	}
}

TARGET static void blend(struct tile *t, const struct colour_step *s) {
	const int16_t factor = s->factor, add = s->add[0];
	int16_t *r = t->plane[0], *g = t->plane[1], *b = t->plane[2];
	for (int i = 0; i < TILE; i++) {
		int16_t grey = grey256(r[i], g[i], b[i]) >> 8;
		int16_t rest = (grey << s->shift) + add;
		r[i] = clamp16((int16_t)(product(r[i] - grey, factor) + rest) >> s->shift);
		g[i] = clamp16((int16_t)(product(g[i] - grey, factor) + rest) >> s->shift);
		b[i] = clamp16((int16_t)(product(b[i] - grey, factor) + rest) >> s->shift);
	}
}

TARGET static void turn_hue(struct tile *t, const struct colour_step *s) {
	const int16_t factor = s->factor, add = s->add[0];
	int16_t *r = t->plane[0], *g = t->plane[1], *b = t->plane[2];
	for (int i = 0; i < TILE; i++) {
		int16_t hi = max16(max16(r[i], g[i]), b[i]), lo = min16(min16(r[i], g[i]), b[i]);
		int16_t d = hi - lo;
		int16_t h = hi == r[i] ? g[i] - b[i] : hi == g[i] ? b[i] - r[i] + 2 * d : r[i] - g[i] - 2 * d;
		h = (h << 4) + product(d, factor);
		hi <<= 4;
		d <<= 4;
		const int16_t at[3] = {h, h - 2 * d, h + 2 * d};
		for (int c = 0; c < 3; c++) {
			int16_t away = abs16(at[c]);
			away = min16(away, abs16(away - 6 * d));
			int16_t v = hi - min16(max16(away - d, 0), d);
			t->plane[c][i] = (int16_t)(v + (v >> s->shift) + add) >> 4;
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
