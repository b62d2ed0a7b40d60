//go:build cgo

// The kernels for the level Baseline.
#define KERNELS kernels_baseline
#define TARGET
#include "level.h"
