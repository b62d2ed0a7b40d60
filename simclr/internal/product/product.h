#include <stddef.h>

// multiply is Multiply of product.go, with AVX2 or for every CPU of the architecture.
void multiply(int avx2, float *c, const float *a, const float *b, size_t m, size_t n, size_t k, size_t stride);
