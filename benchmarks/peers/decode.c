// Measures libjpeg-turbo alone: JPEGs of a tar archive, in memory, are decoded whole to RGB, with default settings, one after the
// other into the same memory.
//
//	cc -O2 decode.c -o decode -ljpeg -lpthread
//	decode TAR CASE IMAGES THREADS
//
// IMAGES are taken at even distances from the archive, which is gone through again where it has fewer. Each thread has a
// decompressor of its own. The result is one line in the format of Go's benchmarks.

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jpeglib.h>

enum { BLOCK = 512, WARM_UPS = 64 }; // of tar; images

struct file {
	const unsigned char *data;
	size_t size;
};

static struct file *files;
static long file_count;

struct share {
	pthread_t thread;
	long first, end, images, step;
};

static void fail(const char *what) {
	perror(what);
	exit(1);
}

static void *need(void *memory) {
	if (!memory) fail("memory");
	return memory;
}

static void open_tar(const char *path) {
	FILE *f = fopen(path, "rb");
	if (!f || fseek(f, 0, SEEK_END)) fail(path);
	long size = ftell(f);
	unsigned char *tar = need(malloc(size));
	rewind(f);
	if (fread(tar, 1, size, f) != (size_t)size) fail(path);
	fclose(f);
	files = need(calloc(size / BLOCK, sizeof *files));
	for (long at = 0; at + BLOCK <= size && tar[at];) {
		size_t bytes = strtoul((char *)tar + at + 124, NULL, 8);
		if (tar[at + 156] == '0') files[file_count++] = (struct file){tar + at + BLOCK, bytes};
		at += BLOCK + (bytes + BLOCK - 1) / BLOCK * BLOCK;
	}
	if (!file_count) {
		fprintf(stderr, "%s: no files in it\n", path);
		exit(1);
	}
}

// decode_share decodes images first, first+step, ... below end of the run of so many images in all. Errors end the program.
static void *decode_share(void *argument) {
	struct share *s = argument;
	struct jpeg_decompress_struct d;
	struct jpeg_error_mgr errors;
	d.err = jpeg_std_error(&errors);
	jpeg_create_decompress(&d);
	unsigned char *pixels = NULL;
	size_t room = 0;
	for (long i = s->first; i < s->end; i += s->step) {
		struct file f = files[s->images > file_count ? i % file_count : i * file_count / s->images];
		jpeg_mem_src(&d, f.data, f.size);
		jpeg_read_header(&d, TRUE);
		d.out_color_space = JCS_RGB;
		jpeg_start_decompress(&d);
		size_t stride = 3 * (size_t)d.output_width;
		if (stride * d.output_height > room) pixels = need(realloc(pixels, room = stride * d.output_height));
		while (d.output_scanline < d.output_height) {
			JSAMPROW rows[16];
			int n = 0;
			for (; n < 16 && d.output_scanline + n < d.output_height; n++) rows[n] = pixels + stride * (d.output_scanline + n);
			jpeg_read_scanlines(&d, rows, n);
		}
		jpeg_finish_decompress(&d);
	}
	jpeg_destroy_decompress(&d);
	free(pixels);
	return NULL;
}

static double seconds(clockid_t clock) {
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

int main(int argc, char **argv) {
	if (argc != 5) {
		fprintf(stderr, "usage: decode TAR CASE IMAGES THREADS\n");
		return 2;
	}
	open_tar(argv[1]);
	long images = atol(argv[3]), threads = atol(argv[4]);
	struct share *shares = need(calloc(threads, sizeof *shares));
	decode_share(&(struct share){.end = WARM_UPS, .images = images, .step = 1});

	double start = seconds(CLOCK_MONOTONIC), cpu_start = seconds(CLOCK_PROCESS_CPUTIME_ID);
	for (long t = 0; t < threads; t++) {
		shares[t] = (struct share){.first = t, .end = images, .images = images, .step = threads};
		if (pthread_create(&shares[t].thread, NULL, decode_share, &shares[t])) fail("thread");
	}
	for (long t = 0; t < threads; t++) pthread_join(shares[t].thread, NULL);
	double wall = seconds(CLOCK_MONOTONIC) - start, cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_start;

	printf("BenchmarkDataPath/%s/libjpeg-turbo", argv[2]);
	if (threads > 1) printf("-%ld", threads);
	printf(" %ld %.0f ns/op %.2f images/cpu-s %.2f images/s\n", images, 1e9 * wall / images, images / cpu, images / wall);
	return 0;
}
