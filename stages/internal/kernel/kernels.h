// The kernels that exist in C, as Go calls them: grayscale(level, ...) runs the one of that level.
#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>
#include <stdint.h>

// One level's kernels.
struct kernels {
	void (*grayscale)(uint8_t *pix, size_t pixels);
};

extern const struct kernels kernels_baseline;
#ifdef __x86_64__
extern const struct kernels kernels_avx2;
#endif

static inline const struct kernels *kernels_of(int level) {
#ifdef __x86_64__
	if (level == 2)
		return &kernels_avx2;
#endif
	return &kernels_baseline;
}

#endif
