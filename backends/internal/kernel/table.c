//go:build cgo

#include "kernels.h"

extern const struct kernels kernels_baseline, kernels_avx2, kernels_avx512;

const struct kernels *kernels_of(int level) {
#if defined(__x86_64__)
	if (level == AVX512) return &kernels_avx512;
	if (level == AVX2) return &kernels_avx2;
#endif
	(void)level;
	return &kernels_baseline;
}
