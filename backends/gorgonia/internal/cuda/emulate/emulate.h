// Lets a C++ compiler for the host build the kernels, so that tests compute with them: each thread of a block is a context of its own,
// which gives way at __syncthreads. Blocks run one after the other.
#ifndef EMULATE_H
#define EMULATE_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define __device__
#define __forceinline__ inline
#define SHARED static
#define __launch_bounds__(n)

struct emulated_index { int x, y, z; };
static emulated_index threadIdx, blockIdx, blockDim, gridDim;

static inline float __uint_as_float(unsigned u) { float f; memcpy(&f, &u, sizeof f); return f; }
static inline unsigned __float_as_uint(float f) { unsigned u; memcpy(&u, &f, sizeof u); return u; }
static inline float rsqrtf(float v) { return 1 / sqrtf(v); }

enum { EMULATED_STACK = 64 << 10, EMULATED_THREADS = 256 };

static ucontext_t emulated_main, emulated_context[EMULATED_THREADS];
static char *emulated_stack;
static bool emulated_done[EMULATED_THREADS];
static void (*emulated_body)(const void *);
static const void *emulated_arguments;

static inline void __syncthreads() {
	int self = threadIdx.x;
	swapcontext(&emulated_context[self], &emulated_main);
	threadIdx.x = self;
}

static void emulated_thread() {
	int self = threadIdx.x;
	emulated_body(emulated_arguments);
	emulated_done[self] = true;
	swapcontext(&emulated_context[self], &emulated_main);
}

// emulated_launch runs a grid. It returns -1 if the threads of a block do not meet at the same barriers.
static inline int emulated_launch(void (*body)(const void *), const void *arguments, int x, int y, int threads) {
	if (threads != EMULATED_THREADS) return -1;
	if (!emulated_stack) emulated_stack = (char *)malloc((size_t)EMULATED_STACK * EMULATED_THREADS);
	emulated_body = body;
	emulated_arguments = arguments;
	gridDim = {x, y, 1};
	blockDim = {threads, 1, 1};
	for (int by = 0; by < y; by++)
		for (int bx = 0; bx < x; bx++) {
			blockIdx = {bx, by, 0};
			for (int t = 0; t < threads; t++) {
				emulated_done[t] = false;
				getcontext(&emulated_context[t]);
				emulated_context[t].uc_stack.ss_sp = emulated_stack + (size_t)t * EMULATED_STACK;
				emulated_context[t].uc_stack.ss_size = EMULATED_STACK;
				emulated_context[t].uc_link = 0;
				makecontext(&emulated_context[t], emulated_thread, 0);
			}
			for (int left = threads; left > 0;) {
				int ended = 0;
				for (int t = 0; t < threads; t++) {
					threadIdx = {t, 0, 0};
					swapcontext(&emulated_main, &emulated_context[t]);
					ended += emulated_done[t];
				}
				if (ended != 0 && ended != threads) return -1;
				left -= ended;
			}
		}
	return 0;
}

#define KERNEL(name, arguments)                                                            \
	static void name##_body(arguments a);                                                   \
	extern "C" int name(const void *p, int x, int y, int threads) {                         \
		return emulated_launch([](const void *q) { name##_body(*(const arguments *)q); }, p, x, y, threads); \
	}                                                                                       \
	static void name##_body(arguments a)

#endif
