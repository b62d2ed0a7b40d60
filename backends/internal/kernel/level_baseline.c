//go:build cgo

// The kernels for every CPU of the architecture.
#define KERNELS goclr_step_baseline
#define TARGET
#include "level.h"
