/* Huffman decoding of sequential JPEG with all components in one scan, as nearly all files are, in place of libjpeg-turbo's own, which
   takes most of the time of a decode. The coefficients are the same. It is faster because it takes the zeros out of the file that are
   stuffed behind bytes of ones before it reads, then reads eight bytes at a time without looking at them, and finds code, run and size in one
   lookup, so that a coefficient takes a few dependent instructions. */
#ifndef GOCLR_TURBO_HUFFMAN_H
#define GOCLR_TURBO_HUFFMAN_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jpeglib.h>

enum { LOOKUP_BITS = 10, LEAP_BITS = 12 };

struct huffman_table {
	JHUFF_TBL of; /* made from this one */
	int made;
	uint16_t lookup[1 << LOOKUP_BITS]; /* the entry of the code that the next bits begin with; 0: it is longer, or none */
	int32_t last[17];                  /* the last code of each length, -1 if there is none */
	int32_t offset[17];                /* from a code to its place in of.huffval */
	int leaps_made;
	uint16_t leaps[1 << LEAP_BITS]; /* the leap that the next bits hold; 0: none */
};

struct bit_reader {
	const uint8_t *at;
	uint64_t ahead; /* bits that were read ahead, from the top */
	unsigned bits;  /* how many */
};

/* A segment is the coded data between two markers. */
struct huffman {
	struct huffman_table dc[NUM_HUFF_TBLS], ac[NUM_HUFF_TBLS];
	struct bit_reader reader;
	uint8_t *segment; /* without stuffing, and zeros behind it */
	size_t size, room;
	const uint8_t *marker, *end; /* behind the segment, and of the file */
	unsigned until_restart, restarts;
	int dc_before[MAX_COMPS_IN_SCAN];
};

/* huffman_start makes d->jpeg, just started on a file in memory, decode by d->huffman. It returns 0, and changes nothing, where that cannot
   decode the file. Damage in the data makes decoder_read give up. */
struct decoder;
int huffman_start(struct decoder *d);

/* huffman_end checks that the data was used up, after the last row. */
void huffman_end(struct decoder *d);

/* huffman_skip goes over the whole scan instead of reading rows, after huffman_start: it sees all damage that these would, and makes no
   coefficients. It ends the pass over the input, and does what huffman_end does. */
void huffman_skip(struct decoder *d);

#endif
