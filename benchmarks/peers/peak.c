// Measures how many float32 operations per second the CPU does at most: independent fused multiply-adds of the widest vectors
// it has, on numbers that never leave the registers. A fused multiply-add counts as two operations.
//
//	cc -O2 peak.c -o peak -lpthread
//	peak THREADS
//
// It runs on one thread, then on so many at once. A result is the best of several rounds, one line in the format of Go's
// benchmarks.

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 20, STEPS = 20000000 };

// SUMS defines a set of instructions and a function that adds to COUNT independent sums of WIDTH numbers by it: enough of them
// to hide the latency of an addition, and no more than there are registers for.
#define SUMS(NAME, TARGET, WIDTH, COUNT)                                                                       \
	TARGET static float add_##NAME(void) {                                                                     \
		typedef float vec __attribute__((vector_size(4 * WIDTH)));                                             \
		const vec factor = 0.999f - (vec){}, term = 0.0007f - (vec){};                                         \
		vec sums[COUNT];                                                                                       \
		_Pragma("GCC unroll 16") for (int i = 0; i < COUNT; i++) sums[i] = (float)i - (vec){};                 \
		for (int s = 0; s < STEPS; s++) {                                                                      \
			_Pragma("GCC unroll 16") for (int i = 0; i < COUNT; i++) sums[i] = sums[i] * factor + term;        \
		}                                                                                                      \
		vec total = {};                                                                                        \
		_Pragma("GCC unroll 16") for (int i = 0; i < COUNT; i++) total += sums[i];                             \
		return total[0];                                                                                       \
	}                                                                                                          \
	static const struct set NAME = {#NAME, add_##NAME, 2L * WIDTH * COUNT};

// A set is of instructions, by the name that a result has.
struct set {
	const char *name;
	float (*add)(void);
	long operations; // of a step
};

#if defined(__x86_64__)
SUMS(SSE2, , 4, 12) // multiplies and adds, without fusing
SUMS(AVX2, __attribute__((target("avx2,fma"))), 8, 12)
SUMS(AVX512, __attribute__((target("avx512f"))), 16, 16)

static const struct set *widest(void) {
	if (__builtin_cpu_supports("avx512f")) return &AVX512;
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &AVX2 : &SSE2;
}
#elif defined(__aarch64__)
SUMS(NEON, , 4, 16)

static const struct set *widest(void) { return &NEON; }
#else
SUMS(plain, , 4, 8)

static const struct set *widest(void) { return &plain; }
#endif

static pthread_barrier_t start;
static volatile float sink; // so that no sum is left out

struct job {
	pthread_t thread;
	const struct set *set;
	double from, to; // seconds
};

static double seconds(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void *work(void *argument) {
	struct job *j = argument;
	pthread_barrier_wait(&start);
	j->from = seconds();
	sink = j->set->add();
	j->to = seconds();
	return NULL;
}

// run returns the time from when the first thread begins until the last one ends.
static double run(const struct set *set, struct job *jobs, long threads) {
	pthread_barrier_init(&start, NULL, threads);
	for (long t = 0; t < threads; t++) {
		jobs[t].set = set;
		if (pthread_create(&jobs[t].thread, NULL, work, &jobs[t])) {
			perror("thread");
			exit(1);
		}
	}
	double from = 0, to = 0;
	for (long t = 0; t < threads; t++) {
		pthread_join(jobs[t].thread, NULL);
		if (t == 0 || jobs[t].from < from) from = jobs[t].from;
		if (jobs[t].to > to) to = jobs[t].to;
	}
	pthread_barrier_destroy(&start);
	return to - from;
}

int main(int argc, char **argv) {
	long most = argc == 2 ? atol(argv[1]) : 0;
	struct job *jobs = most > 0 ? calloc(most, sizeof *jobs) : NULL;
	if (!jobs) {
		fprintf(stderr, "usage: peak THREADS\n");
		return 2;
	}
	const struct set *set = widest();
	for (long threads = 1; threads <= most; threads += most > 1 ? most - 1 : 1) {
		double best = 0;
		for (int i = 0; i < ROUNDS; i++) {
			double taken = run(set, jobs, threads);
			if (!best || taken < best) best = taken;
		}
		printf("BenchmarkPeak/float32/%s", set->name);
		if (threads > 1) printf("-%ld", threads);
		printf(" %d %.0f ns/op %.1f GFLOP/s\n", ROUNDS, 1e9 * best, 1e-9 * threads * STEPS * set->operations / best);
	}
	return 0;
}
