#ifndef GOCLR_TURBO_DECODE_H
#define GOCLR_TURBO_DECODE_H

#include <stddef.h>
#include <stdio.h>

#include <jpeglib.h>

#if !defined(LIBJPEG_TURBO_VERSION_NUMBER) || LIBJPEG_TURBO_VERSION_NUMBER < 1005000
#error "goclr needs libjpeg-turbo 1.5 or newer as libjpeg (Debian, Ubuntu: libjpeg-dev; Fedora: libjpeg-turbo-devel): this jpeglib.h is of another library or too old. Or build with CGO_ENABLED=0."
#endif

/* A decoder is a decompressor that is used again and again, by one thread at a time. */
typedef struct decoder decoder;

typedef struct {
	int x, y, w, h;
	int fast; /* let huffman.c take part if it can; set to whether it did */
} region;

/* decoder_new returns a decoder, or NULL where there is no memory. */
decoder *decoder_new(void);

/* decoder_read decodes at least the region r of the JPEG of n bytes at file to dst, which has room for size bytes: RGB without
   padding. It sets r to what it has decoded. Returns NULL, or says why it could not; the text is valid until the next call. */
const char *decoder_read(decoder *d, const unsigned char *file, size_t n, region *r, unsigned char *dst, size_t size);

/* decoder_check reads all of the JPEG of n bytes at file, of w by h pixels, and makes no pixels. Returns NULL if decoder_read would make the
   whole image of it; otherwise says what is wrong, or that only decoder_read can tell. The text is valid until the next call. */
const char *decoder_check(decoder *d, const unsigned char *file, size_t n, int w, int h);

#endif
