//go:build cgo

// The kernels for the level AVX512.
#define LEVEL_AVX512
#define KERNELS goclr_step_avx512
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")))
#include "level.h"
