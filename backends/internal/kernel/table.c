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

static void run_serially(const struct team *t, void (*task)(void *job, size_t i), void *job, size_t n) {
	(void)t;
	for (size_t i = 0; i < n; i++) task(job, i);
}

const struct team goclr_serial_team = {.run = run_serially};
