//go:build cgo

// The kernels for every CPU of the architecture.
#define KERNELS kernels_baseline
#define TARGET
#include "level.h"
