//go:build cgo

// The kernels for the level AVX2.
#include <immintrin.h>

#define AVX2
#define KERNELS kernels_avx2
#define TARGET __attribute__((target("avx2")))
#include "level.h"
