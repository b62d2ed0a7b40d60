// Vectors of 16 numbers, which compilers split where the instructions have shorter ones.
typedef float vec __attribute__((vector_size(4 * LANES), aligned(4 * LANES), may_alias));

#define INLINE static inline __attribute__((always_inline)) TARGET

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }
INLINE vec fill(float f) { return f - (vec){}; }

// where is v where the mask is set, and 0 elsewhere.
typedef int32_t mask __attribute__((vector_size(4 * LANES)));
INLINE vec where(mask m, vec v) { return (vec)(m & (mask)v); }
INLINE vec positive(vec v) { return where(v > 0, v); }
