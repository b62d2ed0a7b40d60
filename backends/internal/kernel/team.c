//go:build cgo

#include "team.h"

#include <stdlib.h>

#include "_cgo_export.h"

void goclr_step_work(struct work *w) {
	for (size_t i; (i = atomic_fetch_add_explicit(&w->next, 1, memory_order_relaxed)) < w->n;) w->task(w->job, i);
}

static void run(const struct team *team, void (*task)(void *, size_t), void *job, size_t n) {
	const struct goroutines *g = (const struct goroutines *)team;
	struct work w = {.task = task, .job = job, .n = n};
	if (n <= 1 || g->threads <= 1)
		goclr_step_work(&w);
	else
		goclrStepShare(g->handle, &w, n < g->threads ? n : g->threads);
}

struct goroutines *goclr_step_new_team(uintptr_t handle, size_t threads) {
	struct goroutines *g = malloc(sizeof *g);
	if (g) *g = (struct goroutines){.team = {run}, .handle = handle, .threads = threads};
	return g;
}
