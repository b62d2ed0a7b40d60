// Vectors of as many numbers as a register holds. A block of 16 channels is PARTS of them; what is done to a block is done to
// one part after the other.
#if defined(LEVEL_AVX512)
enum { WIDTH = 16 };
#elif defined(LEVEL_AVX2)
enum { WIDTH = 8 };
#else
enum { WIDTH = 4 };
#endif
enum { PARTS = LANES / WIDTH };

typedef float vec __attribute__((vector_size(4 * WIDTH), aligned(4 * WIDTH), may_alias));
typedef int32_t mask __attribute__((vector_size(4 * WIDTH)));

#define INLINE static inline __attribute__((always_inline)) TARGET

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }
INLINE vec fill(float f) { return f - (vec){}; }

// where is v where the mask is set, and 0 elsewhere; pick is a there and b elsewhere.
INLINE vec where(mask m, vec v) { return (vec)(m & (mask)v); }
INLINE vec pick(mask m, vec a, vec b) { return (vec)(((mask)a & m) | ((mask)b & ~m)); }

// positive is max(0, v), and NaN where v is: a model that has diverged must not look healthy.
INLINE vec positive(vec v) { return where(~(v <= 0), v); }
