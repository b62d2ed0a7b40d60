//go:build cgo

#include <pthread.h>
#include <stdlib.h>

#include "kernels.h"

// Blocks that were given back: a few for each thread.
enum { KEPT = 64 };

// A header lies in the 64 bytes before what goclr_take returns.
struct header {
	size_t size;
};

static struct {
	pthread_mutex_t lock;
	struct header *block[KEPT];
	size_t count;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

float *goclr_take(size_t size) {
	size = (size * sizeof(float) + 63) / 64 * 64;
	struct header *h = NULL, *old = NULL;
	pthread_mutex_lock(&pool.lock);
	// The smallest that is large enough, or else the largest makes room: so there are never more than were in use at once.
	size_t best = pool.count, most = pool.count;
	for (size_t i = 0; i < pool.count; i++) {
		if (pool.block[i]->size >= size && (best == pool.count || pool.block[i]->size < pool.block[best]->size)) best = i;
		if (most == pool.count || pool.block[i]->size > pool.block[most]->size) most = i;
	}
	if (best < pool.count) {
		h = pool.block[best];
		pool.block[best] = pool.block[--pool.count];
	} else if (most < pool.count) {
		old = pool.block[most];
		pool.block[most] = pool.block[--pool.count];
	}
	pthread_mutex_unlock(&pool.lock);
	free(old);
	if (!h) {
		h = aligned_alloc(64, size + 64);
		if (!h) return NULL;
		h->size = size;
	}
	return (float *)((char *)h + 64);
}

void goclr_give(float *memory) {
	if (!memory) return;
	struct header *h = (struct header *)((char *)memory - 64), *old = h;
	pthread_mutex_lock(&pool.lock);
	if (pool.count < KEPT) {
		pool.block[pool.count++] = h;
		old = NULL;
	}
	pthread_mutex_unlock(&pool.lock);
	free(old);
}
