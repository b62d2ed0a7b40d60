// resize.go in C. It resizes 16 rows at a time from side to side, and for this turns them by 90 degrees: then a weight is the same
// for 48 numbers in a row, the channels of one pixel in each of the rows, whichever pixels the next result is made of.

enum { ROWS = 16 };

// An entry of taps: the first source, the number of them, and the weights.
static inline const int16_t *weights_of(const int32_t *entry) { return (const int16_t *)(entry + 2); }

typedef uint8_t bytes __attribute__((vector_size(16)));
typedef int16_t shorts __attribute__((vector_size(16)));

#ifdef __clang__
#define SHUFFLE(mask, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(mask, a, b, ...) __builtin_shuffle(a, b, (mask){__VA_ARGS__})
#endif
#define BYTES_LOW(a, b) SHUFFLE(bytes, a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define BYTES_HIGH(a, b) SHUFFLE(bytes, a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define SHORTS_LOW(a, b) SHUFFLE(shorts, a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define SHORTS_HIGH(a, b) SHUFFLE(shorts, a, b, 4, 12, 5, 13, 6, 14, 7, 15)

// turn_bytes transposes the 16 by 16 bytes at column x of the rows. To interleave the first half with the second four times is to
// exchange row and column.
TARGET static inline void turn_bytes(uint8_t *out, const uint8_t *const row[ROWS], size_t x) {
	bytes a[16], b[16];
	for (int i = 0; i < 16; i++)
		memcpy(&a[i], row[i] + x, 16);
	for (int twice = 0; twice < 2; twice++) {
		for (int i = 0; i < 8; i++) {
			b[2 * i] = BYTES_LOW(a[i], a[i + 8]);
			b[2 * i + 1] = BYTES_HIGH(a[i], a[i + 8]);
		}
		for (int i = 0; i < 8; i++) {
			a[2 * i] = BYTES_LOW(b[i], b[i + 8]);
			a[2 * i + 1] = BYTES_HIGH(b[i], b[i + 8]);
		}
	}
	memcpy(out, a, sizeof a);
}

// turn_shorts transposes 8 by 8 numbers, whose rows are 16 apart, to rows stride apart.
TARGET static inline void turn_shorts(int16_t *out, size_t stride, const int16_t *in) {
	shorts a[8], b[8];
	for (int i = 0; i < 8; i++)
		memcpy(&a[i], in + i * ROWS, 16);
	for (int i = 0; i < 4; i++) {
		b[2 * i] = SHORTS_LOW(a[i], a[i + 4]);
		b[2 * i + 1] = SHORTS_HIGH(a[i], a[i + 4]);
	}
	for (int i = 0; i < 4; i++) {
		a[2 * i] = SHORTS_LOW(b[i], b[i + 4]);
		a[2 * i + 1] = SHORTS_HIGH(b[i], b[i + 4]);
	}
	for (int i = 0; i < 4; i++) {
		b[2 * i] = SHORTS_LOW(a[i], a[i + 4]);
		b[2 * i + 1] = SHORTS_HIGH(a[i], a[i + 4]);
	}
	for (int i = 0; i < 8; i++)
		memcpy(out + i * stride, &b[i], 16);
}

// turn_in transposes 16 rows of n bytes to strip.
TARGET static void turn_in(uint8_t *strip, const uint8_t *const row[ROWS], size_t n) {
	if (n < 16) {
		for (size_t x = 0; x < n; x++)
			for (int y = 0; y < ROWS; y++)
				strip[ROWS * x + y] = row[y][x];
		return;
	}
	for (size_t x = 0; x + 16 <= n; x += 16)
		turn_bytes(strip + ROWS * x, row, x);
	if (n % 16)
		turn_bytes(strip + ROWS * (n - 16), row, n - 16);
}

// turn_out transposes the n columns of strip, a multiple of 8, to 16 rows.
TARGET static void turn_out(int16_t *rows, size_t stride, const int16_t *strip, size_t n) {
	for (size_t x = 0; x < n; x += 8)
		for (int y = 0; y < ROWS; y += 8)
			turn_shorts(rows + y * stride + x, stride, strip + ROWS * x + y);
}

enum { PIXEL = 3 * ROWS }; // a pixel of a strip

#ifdef AVX2
// A sum of two products takes one instruction, which compilers do not find.
TARGET static inline __m256i pair_of_weights(const int16_t *w) {
	int32_t pair;
	memcpy(&pair, w, 4);
	return _mm256_set1_epi32(pair);
}

// across computes one pixel of a resized strip.
TARGET static void across(int16_t *out, const uint8_t *in, const int16_t *w, int taps, int shift, int low, int high) {
	__m256i sum[6];
	for (int i = 0; i < 6; i++)
		sum[i] = _mm256_set1_epi32(1 << (shift - 1));
	for (int k = 0; k < taps; k += 2, in += 2 * PIXEL) {
		__m256i weights = pair_of_weights(w + k);
		for (int c = 0; c < 3; c++) {
			__m128i a = _mm_loadu_si128((const __m128i *)(in + ROWS * c));
			__m128i b = _mm_loadu_si128((const __m128i *)(in + PIXEL + ROWS * c));
			__m256i first = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b)), last = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b));
			sum[2 * c] = _mm256_add_epi32(sum[2 * c], _mm256_madd_epi16(first, weights));
			sum[2 * c + 1] = _mm256_add_epi32(sum[2 * c + 1], _mm256_madd_epi16(last, weights));
		}
	}
	for (int c = 0; c < 3; c++) {
		__m256i v = _mm256_packs_epi32(_mm256_srai_epi32(sum[2 * c], shift), _mm256_srai_epi32(sum[2 * c + 1], shift));
		v = _mm256_permute4x64_epi64(v, 0xd8); // packs takes turns between its operands
		v = _mm256_min_epi16(_mm256_max_epi16(v, _mm256_set1_epi16(low)), _mm256_set1_epi16(high));
		_mm256_storeu_si256((__m256i *)(out + ROWS * c), v);
	}
}

// down computes 32 numbers of a row of the result. Row y of the ring is at ring + (y & mask) * stride.
TARGET static void down(uint8_t *out, const int16_t *ring, size_t stride, int mask, int first, const int16_t *w, int taps, int shift) {
	__m256i sum[4];
	for (int i = 0; i < 4; i++)
		sum[i] = _mm256_set1_epi32(1 << (shift - 1));
	for (int k = 0; k < taps; k += 2) {
		__m256i weights = pair_of_weights(w + k);
		const int16_t *from = ring + ((first + k) & mask) * stride, *next = ring + ((first + k + 1) & mask) * stride;
		for (int i = 0; i < 2; i++) {
			__m256i a = _mm256_loadu_si256((const __m256i *)(from + 16 * i));
			__m256i b = _mm256_loadu_si256((const __m256i *)(next + 16 * i));
			sum[2 * i] = _mm256_add_epi32(sum[2 * i], _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), weights));
			sum[2 * i + 1] = _mm256_add_epi32(sum[2 * i + 1], _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), weights));
		}
	}
	__m256i a = _mm256_packs_epi32(_mm256_srai_epi32(sum[0], shift), _mm256_srai_epi32(sum[1], shift));
	__m256i b = _mm256_packs_epi32(_mm256_srai_epi32(sum[2], shift), _mm256_srai_epi32(sum[3], shift));
	_mm256_storeu_si256((__m256i *)out, _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8));
}

#else

static inline int between(int low, int v, int high) { return v < low ? low : v > high ? high : v; }

TARGET static void across(int16_t *out, const uint8_t *in, const int16_t *w, int taps, int shift, int low, int high) {
	int32_t sum[PIXEL];
	for (int i = 0; i < PIXEL; i++)
		sum[i] = 1 << (shift - 1);
	for (int k = 0; k < taps; k++)
		for (int i = 0; i < PIXEL; i++)
			sum[i] += w[k] * in[PIXEL * k + i];
	for (int i = 0; i < PIXEL; i++)
		out[i] = between(low, sum[i] >> shift, high);
}

TARGET static void down(uint8_t *out, const int16_t *ring, size_t stride, int mask, int first, const int16_t *w, int taps, int shift) {
	int32_t sum[32];
	for (int i = 0; i < 32; i++)
		sum[i] = 1 << (shift - 1);
	for (int k = 0; k < taps; k++) {
		const int16_t *from = ring + ((first + k) & mask) * stride;
		for (int i = 0; i < 32; i++)
			sum[i] += w[k] * from[i];
	}
	for (int i = 0; i < 32; i++)
		out[i] = between(0, sum[i] >> shift, 255);
}

#endif

TARGET static void resize(struct resizing z, uint8_t *dst, const uint8_t *src, const int32_t *columns, const int32_t *rows,
			  int16_t *scratch) {
	size_t n = 3 * (size_t)z.w, stride = (n + 31) / 32 * 32;
	int low = z.kept ? INT16_MIN : 0, high = z.kept ? INT16_MAX : 255, mask = z.depth - 1;
	int16_t *ring = scratch;                  // of rows resized from side to side
	int16_t *result = ring + z.depth * stride; // a strip of such rows
	uint8_t *strip = (uint8_t *)(result + ROWS * stride);
	int ready = 0;
	for (int y = 0; y < z.h; y++, rows += z.rows_stride, dst += n) {
		int first = rows[0], taps = rows[1], shift = z.bits + z.kept;
		if (ready < first)
			ready = first / ROWS * ROWS;
		for (; ready < first + taps; ready += ROWS) {
			const uint8_t *row[ROWS];
			for (int i = 0; i < ROWS; i++)
				row[i] = src + (ready + i < z.from_h ? ready + i : z.from_h - 1) * z.src_stride;
			turn_in(strip, row, 3 * (size_t)z.from_w);
			const int32_t *column = columns;
			for (int x = 0; x < z.w; x++, column += z.columns_stride)
				across(result + PIXEL * x, strip + PIXEL * (size_t)column[0], weights_of(column), column[1], z.bits - z.kept, low, high);
			turn_out(ring + (ready & mask) * stride, stride, result, (n + 7) / 8 * 8);
		}
		size_t x = 0;
		for (; x + 32 <= n; x += 32)
			down(dst + x, ring + x, stride, mask, first, weights_of(rows), taps, shift);
		if (x < n) {
			uint8_t rest[32];
			down(rest, ring + x, stride, mask, first, weights_of(rows), taps, shift);
			memcpy(dst + x, rest, n - x);
		}
	}
}
