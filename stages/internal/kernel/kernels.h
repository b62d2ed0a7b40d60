// The kernels that exist in C, as Go calls them.
#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>
#include <stdint.h>

// colourStep and stepKind of colour.go.
struct colour_step {
	int64_t kind;
	int32_t factor;
	uint32_t shift;
	int32_t add[3];
	uint64_t sum[3];
};
enum { STEP_AFFINE, STEP_BLEND, STEP_SATURATE, STEP_HUE, STEP_GREY, STEP_SOLARIZE, STEP_GREY_SUM, STEP_CHANNEL_SUMS };

// resizing of resize.go, and the number of rows to keep.
struct resizing {
	size_t src_stride;
	int32_t w, h, from_w, from_h, columns_stride, rows_stride, bits, kept, depth;
};

// One level's kernels. Each is described where Go has it.
struct kernels {
	void (*colour)(uint8_t *pix, size_t pixels, struct colour_step *steps, size_t n);
	void (*resize)(struct resizing z, uint8_t *dst, const uint8_t *src, const int32_t *columns, const int32_t *rows, int16_t *scratch);
	void (*blur)(uint8_t *pix, int w, int h, const int16_t *weights, int radius, int reflect, int depth, int16_t *scratch);
};

extern const struct kernels kernels_baseline;
#ifdef __x86_64__
extern const struct kernels kernels_avx2;
#endif

// kernels_of returns the kernels of a Level.
static inline const struct kernels *kernels_of(int level) {
#ifdef __x86_64__
	if (level == 2)
		return &kernels_avx2;
#endif
	return &kernels_baseline;
}

#endif
