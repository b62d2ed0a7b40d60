// A team whose threads come from outside: each calls goclr_step_help and works until the team is closed.
#ifndef GOCLR_TEAM_H
#define GOCLR_TEAM_H

#include "kernels.h"

struct helped;

// goclr_step_new_team returns a team of one thread, that of whoever runs a kernel, and of so many that help, or NULL. Threads without
// work look out for it for spin nanoseconds, then sleep.
struct helped *goclr_step_new_team(size_t helpers, int64_t spin);

void goclr_step_help(struct helped *g);

// goclr_step_close_team makes goclr_step_help return; goclr_step_free_team is called when it has, in all threads.
void goclr_step_close_team(struct helped *g);
void goclr_step_free_team(struct helped *g);

#endif
