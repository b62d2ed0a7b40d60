// What each level_*.c compiles: every operation, for the instructions that TARGET allows; every function bears TARGET, because
// one without it is not inlined into one with it.
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "kernels.h"

enum { MAX_TAPS = 49 };

#include "vector.h"
#include "product.h"
#include "winograd.h"
#include "direct.h"
#include "conv.h"
#include "pixels.h"
#include "normalize.h"
#include "pool.h"
#include "elementwise.h"
#include "dense.h"
#include "contrast.h"

const struct kernels KERNELS = {
	.conv = conv,
	.conv_grad_input = conv_grad_input,
	.conv_grad_filter = conv_grad_filter,
	.conv_pixels = conv_pixels,
	.conv_pixels_grad_filter = conv_pixels_grad_filter,
	.moments = moments,
	.normalize = normalize,
	.normalize_grad_params = normalize_grad_params,
	.normalize_grad_input = normalize_grad_input,
	.relu_grad = relu_grad,
	.max_pool = max_pool,
	.max_pool_grad = max_pool_grad,
	.avg_pool = avg_pool,
	.avg_pool_grad = avg_pool_grad,
	.block = block,
	.unblock = unblock,
	.velocity = velocity,
	.descend = descend,
	.add = add,
	.relu = relu,
	.matmul = matmul,
	.ntxent_rows = ntxent_rows,
};
