//go:build cgo

#include "kernels.h"

extern const struct kernels goclr_step_baseline, goclr_step_avx2, goclr_step_avx512;

const struct kernels *goclr_step_kernels(int level) {
#if defined(__x86_64__)
	if (level == AVX512) return &goclr_step_avx512;
	if (level == AVX2) return &goclr_step_avx2;
#endif
	(void)level;
	return &goclr_step_baseline;
}

#ifndef __clang__ // whose version has its name in it
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER __VERSION__
#endif

const char *goclr_step_compiler(void) { return COMPILER; }
