// What each level_*.c compiles: every kernel, for the instructions that TARGET allows. Compilers vectorise these loops
// by themselves; every function bears TARGET, because one without it is not inlined into one with it.
//
// The bytes are those of the Go code beside, so: integers, or float where no product is added to anything, because compilers
// may contract the two and round once.
#include <string.h>

#include "kernels.h"

#include "colour.h"
#include "blur.h"
#include "resize.h"

const struct kernels KERNELS = {
	.colour = colour,
	.blur = blur,
	.resize = resize,
};
