//go:build cgo

#include <pthread.h>
#include <stdlib.h>

#include "kernels.h"

// Blocks that were given back, the latest last. There are as many as were ever in use at once, so a few for each thread.
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
	struct header *h = NULL;
	pthread_mutex_lock(&pool.lock);
	size_t best = pool.count;
	for (size_t i = 0; i < pool.count; i++)
		if (pool.block[i]->size >= size && (best == pool.count || pool.block[i]->size < pool.block[best]->size)) best = i;
	// A block that is much too large is left for whom it suits.
	if (best < pool.count && pool.block[best]->size <= 2 * size + (1 << 16)) {
		h = pool.block[best];
		pool.block[best] = pool.block[--pool.count];
	}
	pthread_mutex_unlock(&pool.lock);
	if (!h) {
		h = aligned_alloc(64, size + 64);
		if (!h) return NULL;
		h->size = size;
	}
	return (float *)((char *)h + 64);
}

void goclr_give(float *memory) {
	if (!memory) return;
	struct header *h = (struct header *)((char *)memory - 64), *old = NULL;
	pthread_mutex_lock(&pool.lock);
	if (pool.count == KEPT) {
		size_t least = 0;
		for (size_t i = 1; i < pool.count; i++)
			if (pool.block[i]->size < pool.block[least]->size) least = i;
		old = pool.block[least];
		pool.block[least] = pool.block[--pool.count];
	}
	pool.block[pool.count++] = h;
	pthread_mutex_unlock(&pool.lock);
	free(old);
}
