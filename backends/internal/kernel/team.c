//go:build cgo

#include "team.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

// Work is the tasks of one run, which threads take one after the other.
struct work {
	void (*task)(void *job, size_t i);
	void *job;
	size_t n;
	atomic_size_t next;
};

struct helped {
	struct team team; // first, so that a team is its threads
	size_t helpers;
	int64_t spin;
	pthread_mutex_t runs;  // held by a run: there is one at a time
	struct work *work;     // of the run, for whoever has a seat
	atomic_size_t seats;   // helpers that may still join
	atomic_size_t left;    // helpers that have joined and are done
	pthread_mutex_t lock;  // of what follows
	pthread_cond_t seated; // there are seats, or the team is closing
	pthread_cond_t done;   // a helper has left
	atomic_size_t asleep, waiting;
	atomic_int closing;
};

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void pause(void) {
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

// lookout waits at full speed until the condition holds, for as long as the team does so.
#define lookout(g, condition)                                                              \
	for (int64_t until = now() + (g)->spin; !(condition) && now() < until;)                 \
		for (int i = 0; i < 32 && !(condition); i++) pause()

static void work_on(struct work *w) {
	for (size_t i; (i = atomic_fetch_add_explicit(&w->next, 1, memory_order_relaxed)) < w->n;) w->task(w->job, i);
}

// join takes a seat, if there is one.
static int join(struct helped *g) {
	size_t seats = atomic_load(&g->seats);
	while (seats > 0)
		if (atomic_compare_exchange_weak(&g->seats, &seats, seats - 1)) return 1;
	return 0;
}

void goclr_step_help(struct helped *g) {
	for (;;) {
		lookout(g, atomic_load(&g->seats) > 0 || atomic_load(&g->closing));
		if (join(g)) {
			work_on(g->work);
			atomic_fetch_add(&g->left, 1);
			if (atomic_load(&g->waiting)) {
				pthread_mutex_lock(&g->lock);
				pthread_cond_signal(&g->done);
				pthread_mutex_unlock(&g->lock);
			}
			continue;
		}
		pthread_mutex_lock(&g->lock);
		atomic_fetch_add(&g->asleep, 1);
		while (atomic_load(&g->seats) == 0 && !atomic_load(&g->closing)) pthread_cond_wait(&g->seated, &g->lock);
		atomic_fetch_sub(&g->asleep, 1);
		pthread_mutex_unlock(&g->lock);
		if (atomic_load(&g->closing)) return;
	}
}

static void wake(struct helped *g) {
	pthread_mutex_lock(&g->lock);
	pthread_cond_broadcast(&g->seated);
	pthread_mutex_unlock(&g->lock);
}

static void run(const struct team *team, void (*task)(void *, size_t), void *job, size_t n) {
	struct helped *g = (struct helped *)team;
	struct work w = {.task = task, .job = job, .n = n};
	size_t seats = n > g->helpers ? g->helpers : n > 0 ? n - 1 : 0;
	if (seats == 0) {
		work_on(&w);
		return;
	}
	pthread_mutex_lock(&g->runs);
	g->work = &w;
	atomic_store(&g->left, 0);
	atomic_store(&g->seats, seats);
	if (atomic_load(&g->asleep) > 0) wake(g);
	work_on(&w);
	size_t joined = seats - atomic_exchange(&g->seats, 0);
	lookout(g, atomic_load(&g->left) == joined);
	if (atomic_load(&g->left) != joined) {
		pthread_mutex_lock(&g->lock);
		atomic_store(&g->waiting, 1);
		while (atomic_load(&g->left) != joined) pthread_cond_wait(&g->done, &g->lock);
		atomic_store(&g->waiting, 0);
		pthread_mutex_unlock(&g->lock);
	}
	pthread_mutex_unlock(&g->runs);
}

struct helped *goclr_step_new_team(size_t helpers, int64_t spin) {
	struct helped *g = calloc(1, sizeof *g);
	if (!g) return NULL;
	g->team.run = run;
	g->helpers = helpers;
	g->spin = spin;
	pthread_mutex_init(&g->runs, NULL);
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->seated, NULL);
	pthread_cond_init(&g->done, NULL);
	return g;
}

void goclr_step_close_team(struct helped *g) {
	atomic_store(&g->closing, 1);
	wake(g);
}

void goclr_step_free_team(struct helped *g) { free(g); }
