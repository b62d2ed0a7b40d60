#include <stddef.h>

// multiply is Multiply of product.go.
void multiply(float *c, const float *a, const float *b, size_t m, size_t n, size_t k, size_t stride);
