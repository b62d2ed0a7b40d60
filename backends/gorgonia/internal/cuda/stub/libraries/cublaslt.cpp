// Stands for cuBLASLt: products of column-major matrices of float by plain loops, as the descriptors say.
#include "stub.h"

#include <stdint.h>
#include <string.h>

#include <map>
#include <vector>

namespace {

enum { SUCCESS = 0, NO_MEMORY = 3, INVALID_VALUE = 7, EXECUTION_FAILED = 13, NOT_SUPPORTED = 15 };

struct layout { int type; uint64_t rows, cols; int64_t ld; };
struct description { int compute, scale; int transA = 0, transB = 0; };
struct preference { uint64_t workspace = 0; std::map<int, uint32_t> others; };
struct algorithm { uint64_t data[8]; };
struct heuristic {
	algorithm algo;
	size_t workspace;
	int state;
	float waves;
	int reserved[4];
};

const uint64_t mark = 0x676f636c72; // of an algorithm that the heuristic gave
const size_t wanted = 4096;

size_t bytes(const layout *l) { return ((l->cols - 1) * l->ld + l->rows) * 4; }

bool fits(const description *d, const layout *a, const layout *b, const layout *c) {
	uint64_t m = d->transA ? a->cols : a->rows, k = d->transA ? a->rows : a->cols;
	uint64_t n = d->transB ? b->rows : b->cols, kb = d->transB ? b->cols : b->rows;
	return k == kb && c->rows == m && c->cols == n && !a->type && !b->type && !c->type && !d->scale;
}

}

extern "C" {

size_t cublasLtGetVersion() { return STUB_MAJOR * 10000; }
const char *cublasLtGetStatusString(int status) {
	return status == INVALID_VALUE ? "CUBLAS_STATUS_INVALID_VALUE" : status == NOT_SUPPORTED ? "CUBLAS_STATUS_NOT_SUPPORTED" : "CUBLAS_STATUS";
}

int cublasLtCreate(char **handle) {
	if (int status = (int)stub_setting("cublaslt_create", SUCCESS)) return status;
	*handle = new char;
	stub_hold(1);
	return SUCCESS;
}
int cublasLtDestroy(char *handle) {
	delete handle;
	stub_hold(-1);
	return SUCCESS;
}

int cublasLtMatrixLayoutCreate(layout **l, int type, uint64_t rows, uint64_t cols, int64_t ld) {
	if (!rows || !cols || ld < (int64_t)rows) return INVALID_VALUE;
	*l = new layout{type, rows, cols, ld};
	stub_hold(1);
	return SUCCESS;
}
int cublasLtMatrixLayoutDestroy(layout *l) {
	delete l;
	stub_hold(-1);
	return SUCCESS;
}

int cublasLtMatmulDescCreate(description **d, int compute, int scale) {
	*d = new description{compute, scale};
	stub_hold(1);
	return SUCCESS;
}
int cublasLtMatmulDescDestroy(description *d) {
	delete d;
	stub_hold(-1);
	return SUCCESS;
}
int cublasLtMatmulDescSetAttribute(description *d, int attribute, const void *value, size_t size) {
	if (size != 4 || (attribute != 3 && attribute != 4)) return INVALID_VALUE;
	memcpy(attribute == 3 ? &d->transA : &d->transB, value, 4);
	return SUCCESS;
}

int cublasLtMatmulPreferenceCreate(preference **p) {
	*p = new preference;
	stub_hold(1);
	return SUCCESS;
}
int cublasLtMatmulPreferenceDestroy(preference *p) {
	delete p;
	stub_hold(-1);
	return SUCCESS;
}
int cublasLtMatmulPreferenceSetAttribute(preference *p, int attribute, const void *value, size_t size) {
	if (size != (attribute == 1 ? 8 : 4)) return INVALID_VALUE;
	if (attribute == 1) memcpy(&p->workspace, value, 8);
	else memcpy(&p->others[attribute], value, 4);
	return SUCCESS;
}

int cublasLtMatmulAlgoGetHeuristic(char *, description *d, layout *a, layout *b, layout *c, layout *out, preference *p, int requested,
	heuristic *found, int *count) {
	stub_record("cublasLtMatmulAlgoGetHeuristic workspace %zu alignment %u", (size_t)p->workspace, p->others.count(5) ? p->others[5] : 256);
	*count = 0;
	if (!fits(d, a, b, out) || c != out || requested < 1) return INVALID_VALUE;
	if (p->workspace < wanted || stub_setting("cublaslt_none", 0)) return NOT_SUPPORTED;
	*found = {};
	found->algo.data[0] = mark;
	found->workspace = wanted;
	*count = 1;
	return SUCCESS;
}

int cublasLtMatmul(char *, description *d, const float *alpha, const float *ap, layout *a, const float *bp, layout *b, const float *beta,
	const float *cp, layout *c, float *out, layout *l, const algorithm *algo, void *space, size_t size, void *stream) {
	stub_record("cublasLtMatmul compute %d m %zu n %zu trans %d %d", d->compute, (size_t)l->rows, (size_t)l->cols, d->transA, d->transB);
	if (!fits(d, a, b, l) || cp != out || c != l || *alpha != 1 || *beta != 0 || !stream) return INVALID_VALUE;
	if (algo->data[0] != mark || size < wanted || !stub_is_device(space, size)) return INVALID_VALUE;
	if (!stub_is_device(ap, bytes(a)) || !stub_is_device(bp, bytes(b)) || !stub_is_device(out, bytes(l))) return EXECUTION_FAILED;
	if (int status = (int)stub_setting("cublaslt_status", SUCCESS)) return status;
	if (!stub_load("cublaslt")) return NO_MEMORY;
	int failed = stub_start(stream, [=, d = *d, a = *a, b = *b, l = *l] {
		memset(space, 0xff, wanted);
		uint64_t k = d.transA ? a.rows : a.cols;
		std::vector<double> sums(l.rows);
		for (uint64_t j = 0; j < l.cols; j++) {
			sums.assign(l.rows, 0);
			for (uint64_t q = 0; q < k; q++) {
				double v = d.transB ? bp[q * b.ld + j] : bp[j * b.ld + q];
				for (uint64_t i = 0; i < l.rows; i++) sums[i] += v * (d.transA ? ap[i * a.ld + q] : ap[q * a.ld + i]);
			}
			for (uint64_t i = 0; i < l.rows; i++) out[j * l.ld + i] = (float)sums[i];
		}
	});
	return failed ? EXECUTION_FAILED : SUCCESS;
}

}
