// Registers operators of the domain "goclr", which compute by the kernels of package kernel.
#ifndef GOCLR_OPERATORS_H
#define GOCLR_OPERATORS_H

#include <stddef.h>

// goclr_add_operators makes the operators known to a session that is about to be created with these options. It returns NULL and
// sets *registration, which must outlive the session, or returns what failed.
const char *goclr_add_operators(const char *library, void *session_options, const void *kernels, void **registration);

void goclr_release_operators(const char *library, void *registration);

#endif
