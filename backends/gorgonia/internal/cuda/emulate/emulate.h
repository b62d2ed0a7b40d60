// Lets a C++ compiler for the host build the kernels, so that tests compute with them: each thread of a block is a context of its own,
// which gives way at __syncthreads. Blocks run one after the other.
#ifndef EMULATE_H
#define EMULATE_H

#undef _FORTIFY_SOURCE // it takes a jump to another stack for a mistake
#include <math.h>
#include <setjmp.h>
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

// The contexts live as long as the library: each runs its thread of one block after another.
struct emulated_thread_context { jmp_buf at; bool begun, done; char *stack; };
struct emulated_contexts {
	emulated_thread_context of[EMULATED_THREADS];
	~emulated_contexts() {
		for (auto &c : of) free(c.stack);
	}
};
static emulated_contexts emulated;
static jmp_buf emulated_main;
static ucontext_t emulated_begin, emulated_back;
static void (*emulated_body)(const void *);
static const void *emulated_arguments;
static bool emulated_alone, emulated_stray; // threads run without contexts of their own; one of them came to a barrier all the same

static void __syncthreads() {
	int self = threadIdx.x;
	if (emulated_alone) {
		emulated_stray = true;
		return;
	}
	if (!_setjmp(emulated.of[self].at)) _longjmp(emulated_main, 1);
	threadIdx.x = self;
}

static void emulated_thread() {
	int self = threadIdx.x;
	for (;;) {
		emulated_body(emulated_arguments);
		emulated.of[self].done = true;
		if (!_setjmp(emulated.of[self].at)) _longjmp(emulated_main, 1);
	}
}

// emulated_resume runs a thread up to its next barrier or its end. Only its very first start asks the system for something.
static void __attribute__((noinline)) emulated_resume(int t) {
	threadIdx = {t, 0, 0};
	emulated_thread_context &c = emulated.of[t];
	if (_setjmp(emulated_main)) return;
	if (c.begun) _longjmp(c.at, 1);
	c.begun = true;
	c.stack = (char *)malloc(EMULATED_STACK);
	getcontext(&emulated_begin);
	emulated_begin.uc_stack.ss_sp = c.stack;
	emulated_begin.uc_stack.ss_size = EMULATED_STACK;
	emulated_begin.uc_link = 0;
	makecontext(&emulated_begin, emulated_thread, 0);
	swapcontext(&emulated_back, &emulated_begin);
}

// emulated_block runs a block. Where its first thread meets no barrier the others need no context. It returns false if the threads do
// not meet at the same barriers.
static bool emulated_block() {
	for (auto &c : emulated.of) c.done = false;
	emulated_resume(0);
	if (emulated.of[0].done) {
		emulated_alone = true;
		emulated_stray = false;
		for (int t = 1; t < EMULATED_THREADS; t++) {
			threadIdx = {t, 0, 0};
			emulated_body(emulated_arguments);
		}
		emulated_alone = false;
		return !emulated_stray;
	}
	int ended = 0;
	for (int t = 1; t < EMULATED_THREADS; t++) {
		emulated_resume(t);
		ended += emulated.of[t].done;
	}
	while (ended == 0) {
		for (int t = 0; t < EMULATED_THREADS; t++) {
			emulated_resume(t);
			ended += emulated.of[t].done;
		}
	}
	return ended == EMULATED_THREADS;
}

// emulated_launch runs a grid. It returns -1 if the threads of a block do not meet at the same barriers.
static inline int emulated_launch(void (*body)(const void *), const void *arguments, int x, int y, int threads) {
	if (threads != EMULATED_THREADS) return -1;
	emulated_body = body;
	emulated_arguments = arguments;
	gridDim = {x, y, 1};
	blockDim = {threads, 1, 1};
	for (int by = 0; by < y; by++)
		for (int bx = 0; bx < x; bx++) {
			blockIdx = {bx, by, 0};
			if (emulated_block()) continue;
			for (auto &c : emulated.of) { // some stand at a barrier for good
				free(c.stack);
				c = {};
			}
			return -1;
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
