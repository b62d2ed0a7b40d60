#include <stdlib.h>
#include <string.h>

#include "decoder.h"

/* margin is how many columns are decoded on both sides of those asked for. libjpeg-turbo treats the edge of what it decodes as the edge
   of the image. Chroma of half the columns is interpolated from one sample on each side, so its last two columns are wrong there; nothing
   else looks sideways beyond a block. Twice that is decoded. Rows need no margin: jpeg_skip_scanlines decodes the row above. */
enum { margin = 4 };

/* max_scans is the limit that libvips has, too: a small file of ten thousand scans would take minutes. */
enum { max_scans = 100 };

static void fail(j_common_ptr c) {
	decoder *d = c->client_data;
	c->err->format_message(c, d->message);
	longjmp(d->failed, 1);
}

/* Damage is a warning to libjpeg, which goes on with invented pixels. */
static void fail_on_warning(j_common_ptr c, int level) {
	if (level < 0) fail(c);
}

void give_up(decoder *d, const char *why) {
	strncpy(d->message, why, sizeof d->message - 1);
	longjmp(d->failed, 1);
}

static void limit_scans(j_common_ptr c) {
	decoder *d = c->client_data;
	if (d->jpeg.input_scan_number > max_scans) give_up(d, "more than 100 scans");
}

decoder *decoder_new(void) {
	decoder *d = calloc(1, sizeof *d);
	if (!d) return NULL;
	d->jpeg.err = jpeg_std_error(&d->errors);
	d->jpeg.client_data = d;
	d->errors.error_exit = fail;
	d->errors.emit_message = fail_on_warning;
	if (setjmp(d->failed)) {
		free(d);
		return NULL;
	}
	jpeg_create_decompress(&d->jpeg);
	d->progress.progress_monitor = limit_scans;
	d->jpeg.progress = &d->progress;
	return d;
}

/* ordinary tells whether the file is of a kind that every libjpeg decodes alike. The others are left to libvips. */
static int ordinary(const struct jpeg_decompress_struct *j) {
	if (j->data_precision != 8 || j->arith_code) return 0;
	switch (j->num_components) {
	case 1:
		return j->jpeg_color_space == JCS_GRAYSCALE;
	case 3:
		return j->jpeg_color_space == JCS_YCbCr || j->jpeg_color_space == JCS_RGB;
	}
	return 0;
}

/* smoothed tells whether libjpeg blurs the edges of blocks, as it does where a progressive file lacks scans. It may then blur a part
   otherwise than the whole. */
static int smoothed(const struct jpeg_decompress_struct *j) {
	if (!j->progressive_mode) return 0;
	for (int c = 0; c < j->num_components; c++)
		for (int k = 1; k < 10; k++)
			if (j->coef_bits[c][k] != 0) return 1;
	return 0;
}

/* narrow makes the decompressor leave out the columns and rows that r does not need, and r what is left. */
static void narrow(struct jpeg_decompress_struct *j, region *r) {
	int left = r->x < margin ? 0 : r->x - margin;
	int right = (int)j->output_width - (r->x + r->w) < margin ? (int)j->output_width : r->x + r->w + margin;
	JDIMENSION x = left, w = right - left;
	jpeg_crop_scanline(j, &x, &w);
	jpeg_skip_scanlines(j, r->y);
	r->x = x;
	r->w = w;
}

/* start reads up to the data of the only scan, or all scans where there are several. */
static void start(decoder *d, const unsigned char *file, size_t n) {
	struct jpeg_decompress_struct *j = &d->jpeg;
	jpeg_mem_src(j, file, n);
	jpeg_read_header(j, TRUE);
	if (!ordinary(j)) give_up(d, "neither grey nor colour of three components of 8 bits in Huffman coding");
	j->out_color_space = JCS_RGB;
	jpeg_start_decompress(j);
}

const char *decoder_check(decoder *d, const unsigned char *file, size_t n, int w, int h) {
	struct jpeg_decompress_struct *j = &d->jpeg;
	if (setjmp(d->failed)) {
		jpeg_abort_decompress(j);
		return d->message;
	}
	start(d, file, n);
	if ((int)j->output_width != w || (int)j->output_height != h) give_up(d, "its size is another than expected");
	if (!jpeg_has_multiple_scans(j)) { /* or else all of it has been read by now */
		if (!huffman_start(d)) give_up(d, "only a decode can check it");
		huffman_skip(d);
	}
	j->output_scanline = j->output_height; /* no transform and no colour: what makes pixels of coefficients finds no fault with any */
	jpeg_finish_decompress(j);
	return NULL;
}

const char *decoder_read(decoder *d, const unsigned char *file, size_t n, region *r, unsigned char *dst, size_t size) {
	struct jpeg_decompress_struct *j = &d->jpeg;
	if (setjmp(d->failed)) {
		jpeg_abort_decompress(j);
		return d->message;
	}
	start(d, file, n);

	int width = j->output_width, height = j->output_height;
	if (r->x < 0 || r->y < 0 || r->w < 1 || r->h < 1 || r->w > width - r->x || r->h > height - r->y)
		give_up(d, "the region does not lie in the image");
	if (r->fast) r->fast = huffman_start(d);
	int whole = r->w == width && r->h == height;
	if (!whole) {
		if (smoothed(j)) give_up(d, "a progressive file that lacks scans: only the whole image can be decoded");
		narrow(j, r);
	}
	size_t row = 3 * (size_t)r->w;
	if (row * r->h > size) give_up(d, "no room for the region");

	/* The library gives two rows a call at most, of 4:2:0. */
	for (JDIMENSION end = r->y + r->h; j->output_scanline < end;) {
		JSAMPROW rows[2] = {dst, dst + row};
		dst += row * jpeg_read_scanlines(j, rows, end - j->output_scanline < 2 ? 1 : 2);
	}
	if (whole) {
		if (r->fast) huffman_end(d);
		jpeg_finish_decompress(j); /* sees damage up to the end marker */
	} else {
		jpeg_abort_decompress(j);
	}
	return NULL;
}
