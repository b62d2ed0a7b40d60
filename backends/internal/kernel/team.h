// A team whose tasks run on goroutines of Go: see team.go.
#ifndef GOCLR_TEAM_H
#define GOCLR_TEAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "kernels.h"

struct goroutines {
	struct team team; // first, so that a team is its goroutines
	uintptr_t handle; // of the Team
	size_t threads;
};

// Work is the tasks of one run, which threads take one after the other.
struct work {
	void (*task)(void *job, size_t i);
	void *job;
	size_t n;
	atomic_size_t next;
};

struct goroutines *goclr_step_new_team(uintptr_t handle, size_t threads);

// goclr_step_work runs tasks until none is left to take.
void goclr_step_work(struct work *w);

#endif
