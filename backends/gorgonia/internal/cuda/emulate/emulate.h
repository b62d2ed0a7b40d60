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

// Where a context goes on, of __builtin_setjmp: swapcontext would ask the system for the mask of signals, each time. What jumps is
// noipa, since the compiler would conclude that nothing has happened in between.
typedef void *emulated_place[5];

static emulated_place emulated_main, emulated_at[EMULATED_THREADS];
static bool emulated_begun[EMULATED_THREADS], emulated_done[EMULATED_THREADS];
static void (*emulated_body)(const void *);
static const void *emulated_arguments;

static __attribute__((noipa)) void emulated_jump(emulated_place to) { __builtin_longjmp(to, 1); }

static __attribute__((noipa)) void emulated_give_way(int self) {
	if (!__builtin_setjmp(emulated_at[self])) emulated_jump(emulated_main);
}

static inline void __syncthreads() {
	int self = threadIdx.x;
	emulated_give_way(self);
	threadIdx.x = self;
}

// emulated_thread runs a body each time it is resumed.
static void emulated_thread() {
	for (int self = threadIdx.x;; threadIdx.x = self) {
		emulated_body(emulated_arguments);
		emulated_done[self] = true;
		emulated_give_way(self);
	}
}

// The stacks go with the library.
static struct emulated_stacks {
	char *stacks;
	~emulated_stacks() { free(stacks); }
} emulated_memory;

static __attribute__((noipa)) void emulated_begin(int t) {
	if (!emulated_memory.stacks) emulated_memory.stacks = (char *)malloc((size_t)EMULATED_STACK * EMULATED_THREADS);
	ucontext_t context;
	getcontext(&context);
	context.uc_stack.ss_sp = emulated_memory.stacks + (size_t)t * EMULATED_STACK;
	context.uc_stack.ss_size = EMULATED_STACK;
	context.uc_link = 0;
	makecontext(&context, emulated_thread, 0);
	emulated_begun[t] = true;
	setcontext(&context);
}

// emulated_resume runs a thread until it gives way.
static __attribute__((noipa)) void emulated_resume(int t) {
	threadIdx = {t, 0, 0};
	if (__builtin_setjmp(emulated_main)) return;
	if (!emulated_begun[t]) emulated_begin(t);
	emulated_jump(emulated_at[t]);
}

// emulated_launch runs a grid. It returns -1 if the threads of a block do not meet at the same barriers.
// Every other block, the last thread comes first, so that a result tells where threads race.
static inline int emulated_launch(void (*body)(const void *), const void *arguments, int x, int y, int threads) {
	static bool backwards;
	if (threads != EMULATED_THREADS) return -1;
	emulated_body = body;
	emulated_arguments = arguments;
	gridDim = {x, y, 1};
	blockDim = {threads, 1, 1};
	for (int by = 0; by < y; by++)
		for (int bx = 0; bx < x; bx++) {
			blockIdx = {bx, by, 0};
			backwards = !backwards;
			memset(emulated_done, 0, sizeof emulated_done);
			for (int left = threads; left > 0;) {
				int ended = 0;
				for (int i = 0; i < threads; i++) {
					int t = backwards ? threads - 1 - i : i;
					emulated_resume(t);
					ended += emulated_done[t];
				}
				if (ended != 0 && ended != threads) {
					memset(emulated_begun, 0, sizeof emulated_begun);
					return -1;
				}
				left -= ended;
			}
		}
	return 0;
}

#define KERNEL(name, arguments)                                                            \
	static void name##_body(arguments a);                                                   \
	extern "C" { extern const int name##_bytes; const int name##_bytes = sizeof(arguments); } \
	extern "C" int name(const void *p, int x, int y, int threads) {                         \
		return emulated_launch([](const void *q) { name##_body(*(const arguments *)q); }, p, x, y, threads); \
	}                                                                                       \
	static void name##_body(arguments a)

#endif
