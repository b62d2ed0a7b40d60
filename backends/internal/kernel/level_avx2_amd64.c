//go:build cgo

// The kernels for the level AVX2.
#define LEVEL_AVX2
#define KERNELS goclr_step_avx2
#define TARGET __attribute__((target("avx2,fma")))
#include "level.h"
