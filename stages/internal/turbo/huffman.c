#include "huffman.h"

#include <stdlib.h>
#include <string.h>

#include "decoder.h"

#if defined(__has_include)
#if __has_include(<jpegint.h>)
#include <jpegint.h>
#define REPLACEABLE 1
#endif
#endif

#ifdef REPLACEABLE

#define INLINE static inline __attribute__((always_inline))

enum {
	WIDEST_DC = 11, /* bits of a coefficient of 8-bit samples */
	WIDEST_AC = 10,
	LONGEST_CODE = 16,
	/* What the blocks of a damaged unit can take at most, in bytes: all 64 coefficients with the longest code, and one more word. */
	BEHIND = D_MAX_BLOCKS_IN_MCU * 64 * (LONGEST_CODE + WIDEST_DC) / 8 + 8,
};

/* natural is the place in a block of each coefficient in the order of the file. */
static const uint8_t natural[DCTSIZE2] = {
	0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
};

/* An entry is what a code means. From the lowest bit: bits of code and coefficient together, 6, as many as a shift looks at; bits of the
   coefficient alone, 4; zeros before it. */
INLINE unsigned entry(unsigned length, unsigned symbol) { return (symbol >> 4) << 10 | (symbol & 15) << 6 | (length + (symbol & 15)); }
INLINE unsigned total(unsigned e) { return e & 63; }
INLINE unsigned width(unsigned e) { return e >> 6 & 15; }
INLINE unsigned zeros(unsigned e) { return e >> 10; }

/* A leap is as many coefficients as the next bits hold whole. From the lowest bit: their bits, 4; the places that they take, 6; whether the
   block ends there. */
INLINE unsigned leap_bits(unsigned l) { return l & 15; }
INLINE unsigned leap_places(unsigned l) { return l >> 4 & 63; }
INLINE unsigned leap_ends(unsigned l) { return l >> 10; }

/* make_table returns 0 for a table that does not belong to 8-bit samples. Most files have the same tables as the one before. */
static int make_table(struct huffman_table *t, const JHUFF_TBL *from, unsigned widest) {
	if (!from) return 0;
	if (t->made && !memcmp(t->of.bits, from->bits, sizeof from->bits) && !memcmp(t->of.huffval, from->huffval, sizeof from->huffval))
		return 1;
	memset(t, 0, sizeof *t);
	t->of = *from;
	int32_t code = 0;
	int n = 0;
	for (int length = 1; length <= LONGEST_CODE; length++, code <<= 1) {
		t->offset[length] = n - code;
		for (int i = 0; i < from->bits[length]; i++, code++, n++) {
			if (n > 255 || code >= 1 << length || (from->huffval[n] & 15) > widest) return 0;
			if (length > LOOKUP_BITS) continue;
			int spare = LOOKUP_BITS - length;
			for (int at = code << spare; at < (code + 1) << spare; at++)
				t->lookup[at] = entry(length, from->huffval[n]);
		}
		t->last[length] = from->bits[length] ? code - 1 : -1;
	}
	t->made = 1;
	return 1;
}

/* make_leaps makes the leaps of a table of AC coefficients, once. */
static void make_leaps(struct huffman_table *t) {
	if (t->leaps_made) return;
	for (unsigned ahead = 0; ahead < 1 << LEAP_BITS; ahead++) {
		unsigned bits = 0, places = 0, ends = 0;
		while (!ends && bits < LEAP_BITS) {
			unsigned next = ahead << bits & ((1 << LEAP_BITS) - 1), e = t->lookup[next << LOOKUP_BITS >> LEAP_BITS];
			if (e == 0 || bits + total(e) > LEAP_BITS) break;
			unsigned more = width(e) > 0 || zeros(e) == 15 ? zeros(e) + 1 : 0;
			if (places + more >= DCTSIZE2) break;
			bits += total(e);
			places += more;
			ends = more == 0;
		}
		t->leaps[ahead] = ends << 10 | places << 4 | bits;
	}
	t->leaps_made = 1;
}

/* next_segment reads the segment that begins at from. It returns 0 where no marker ends it. */
static int next_segment(struct huffman *h, const uint8_t *from) {
	uint8_t *to = h->segment;
	for (;;) {
		const uint8_t *ones = memchr(from, 0xff, h->end - from);
		if (!ones || ones + 1 == h->end) return 0;
		memcpy(to, from, ones - from);
		to += ones - from;
		from = ones;
		if (ones[1] != 0) break;
		*to++ = 0xff;
		from += 2;
	}
	memset(to, 0, BEHIND);
	h->size = to - h->segment;
	h->marker = from;
	h->reader = (struct bit_reader){h->segment, 0, 0};
	memset(h->dc_before, 0, sizeof h->dc_before);
	return 1;
}

/* unread returns how many bits of the segment were not used; negative: how many too many. */
INLINE long unread(const struct huffman *h, const struct bit_reader *r) { return 8 * (long)(h->segment + h->size - r->at) + r->bits; }

_Noreturn static void damaged(j_decompress_ptr j) { give_up(j->client_data, "Corrupt JPEG data: bad Huffman code"); }

static void restart(struct huffman *h, j_decompress_ptr j) {
	if (unread(h, &h->reader) >= 8 || h->marker[1] != 0xd0 + h->restarts || !next_segment(h, h->marker + 2)) damaged(j);
	h->restarts = (h->restarts + 1) % 8;
	h->until_restart = j->restart_interval;
}

/* big_endian is one load and one swap, which compilers know by its shape. */
INLINE uint64_t big_endian(const uint8_t *p) {
	return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 | (uint64_t)p[3] << 32 | (uint64_t)p[4] << 24 |
	       (uint64_t)p[5] << 16 | (uint64_t)p[6] << 8 | (uint64_t)p[7];
}

/* fill makes at least 56 bits available, two coefficients. */
INLINE void fill(struct bit_reader *r) {
	r->ahead |= big_endian(r->at) >> r->bits;
	r->at += (63 - r->bits) >> 3;
	r->bits |= 56;
}

INLINE void drop(struct bit_reader *r, unsigned bits) {
	r->ahead <<= bits;
	r->bits -= bits;
}

/* long_code returns the entry of a code that is not in the lookup, or 0 where there is no such code. */
static unsigned long_code(const struct huffman_table *t, uint64_t ahead) {
	for (int length = LOOKUP_BITS + 1; length <= LONGEST_CODE; length++) {
		int32_t code = ahead >> (64 - length);
		if (code <= t->last[length]) return entry(length, t->of.huffval[code + t->offset[length]]);
	}
	return 0;
}

/* next_entry returns the entry of the next code. */
INLINE unsigned next_entry(const struct huffman_table *t, const struct bit_reader *r, j_decompress_ptr j) {
	unsigned e = t->lookup[r->ahead >> (64 - LOOKUP_BITS)];
	if (__builtin_expect(e == 0, 0)) {
		e = long_code(t, r->ahead);
		if (e == 0) damaged(j);
	}
	return e;
}

/* coefficient returns what follows the code of e, which is not of width 0. Bits that begin with 0 are a negative number. */
INLINE int coefficient(uint64_t ahead, unsigned e) {
	uint64_t bits = ahead << (total(e) - width(e));
	int negative = (int)(bits >> 63) - 1;
	return (int)(bits >> (64 - width(e))) + (negative & (1 - (1 << width(e))));
}

/* read_ac reads a coefficient and the zeros before it, k being its place without them, and returns the next place: 64 or more at the end of
   the block. */
INLINE int read_ac(JCOEF *block, int k, const struct huffman_table *t, struct bit_reader *r, j_decompress_ptr j) {
	enum { END = DCTSIZE2, RUN = 15 };
	unsigned e = next_entry(t, r, j);
	if (width(e) == 0) {
		drop(r, total(e));
		return zeros(e) == RUN ? k + RUN + 1 : END;
	}
	k += zeros(e);
	if (__builtin_expect(k >= END, 0)) damaged(j);
	block[natural[k]] = coefficient(r->ahead, e);
	drop(r, total(e));
	return k + 1;
}

/* decode_mcu implements jpeg_entropy_decoder. Without blocks it skips a unit. */
static boolean decode_mcu(j_decompress_ptr j, JBLOCKROW *blocks) {
	struct huffman *h = &((decoder *)j->client_data)->huffman;
	if (j->restart_interval > 0) {
		if (h->until_restart == 0) restart(h, j);
		h->until_restart--;
	}
	JBLOCK skipped;
	struct bit_reader r = h->reader; /* stays in registers */
	for (int i = 0; i < j->blocks_in_MCU; i++) {
		int member = j->MCU_membership[i];
		const jpeg_component_info *component = j->cur_comp_info[member];
		JCOEF *block = blocks ? *blocks[i] : skipped;

		fill(&r);
		unsigned e = next_entry(&h->dc[component->dc_tbl_no], &r, j);
		if (width(e) > 0) h->dc_before[member] += coefficient(r.ahead, e);
		drop(&r, total(e));
		block[0] = h->dc_before[member];

		const struct huffman_table *ac = &h->ac[component->ac_tbl_no];
		for (int k = 1; k < DCTSIZE2;) {
			fill(&r);
			k = read_ac(block, k, ac, &r, j);
			if (k < DCTSIZE2) k = read_ac(block, k, ac, &r, j);
		}
	}
	h->reader = r;
	if (unread(h, &r) < 0) damaged(j);
	j->src->next_input_byte = h->marker;
	j->src->bytes_in_buffer = h->end - h->marker;
	return TRUE;
}

/* skip_ac is read_ac for whoever wants no coefficients: it goes over several where the next bits hold them whole. */
INLINE int skip_ac(int k, const struct huffman_table *t, struct bit_reader *r, j_decompress_ptr j) {
	unsigned l = t->leaps[r->ahead >> (64 - LEAP_BITS)];
	if (__builtin_expect(l == 0 || k + leap_places(l) + leap_ends(l) > DCTSIZE2, 0)) {
		JBLOCK skipped;
		return read_ac(skipped, k, t, r, j);
	}
	drop(r, leap_bits(l));
	return leap_ends(l) ? DCTSIZE2 : k + leap_places(l);
}

/* skip_units goes over n units with no restart marker between them. */
static void skip_units(struct huffman *h, j_decompress_ptr j, size_t n) {
	struct bit_reader r = h->reader; /* stays in registers */
	for (; n > 0; n--) {
		for (int i = 0; i < j->blocks_in_MCU; i++) {
			const jpeg_component_info *component = j->cur_comp_info[j->MCU_membership[i]];
			fill(&r);
			drop(&r, total(next_entry(&h->dc[component->dc_tbl_no], &r, j)));
			const struct huffman_table *ac = &h->ac[component->ac_tbl_no];
			for (int k = 1; k < DCTSIZE2;) {
				fill(&r);
				k = skip_ac(k, ac, &r, j);
				if (k < DCTSIZE2) k = skip_ac(k, ac, &r, j);
			}
		}
		if (unread(h, &r) < 0) damaged(j);
	}
	h->reader = r;
}

void huffman_skip(decoder *d) {
	struct huffman *h = &d->huffman;
	j_decompress_ptr j = &d->jpeg;
	for (int i = 0; i < j->comps_in_scan; i++) make_leaps(&h->ac[j->cur_comp_info[i]->ac_tbl_no]);
	size_t left = (size_t)j->MCUs_per_row * j->MCU_rows_in_scan, most = j->restart_interval > 0 ? j->restart_interval : left;
	for (size_t n; left > 0; left -= n) {
		n = left < most ? left : most;
		skip_units(h, j, n);
		if (n < left) restart(h, j);
	}
	huffman_end(d);
	j->src->next_input_byte = h->marker;
	j->src->bytes_in_buffer = h->end - h->marker;
	j->inputctl->finish_input_pass(j);
}

int huffman_start(decoder *d) {
	struct huffman *h = &d->huffman;
	j_decompress_ptr j = &d->jpeg;
	if (j->progressive_mode || j->arith_code || j->comps_in_scan != j->num_components) return 0;
	for (int i = 0; i < j->comps_in_scan; i++) {
		int dc = j->cur_comp_info[i]->dc_tbl_no, ac = j->cur_comp_info[i]->ac_tbl_no;
		if (!make_table(&h->dc[dc], j->dc_huff_tbl_ptrs[dc], WIDEST_DC) || !make_table(&h->ac[ac], j->ac_huff_tbl_ptrs[ac], WIDEST_AC))
			return 0;
	}
	size_t left = j->src->bytes_in_buffer;
	if (h->room < left + BEHIND) {
		free(h->segment);
		h->room = left + BEHIND;
		h->segment = malloc(h->room);
		if (!h->segment) h->room = 0;
	}
	h->end = j->src->next_input_byte + left;
	h->restarts = 0;
	h->until_restart = j->restart_interval;
	if (!h->segment || !next_segment(h, j->src->next_input_byte)) return 0;
	j->entropy->decode_mcu = decode_mcu;
	return 1;
}

void huffman_end(decoder *d) {
	if (unread(&d->huffman, &d->huffman.reader) >= 8) damaged(&d->jpeg);
}

#else /* libjpeg's headers hide where its Huffman decoder is */

int huffman_start(decoder *d) {
	(void)d;
	return 0;
}

void huffman_end(decoder *d) { (void)d; }

void huffman_skip(decoder *d) { (void)d; }

#endif
