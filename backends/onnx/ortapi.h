// The part of ONNX Runtime's C interface that operators of one's own need, which the Go package that runs models does not
// offer. The interface is a table of functions to which releases only ever append, so the places below hold for all of them.
#ifndef GOCLR_ORTAPI_H
#define GOCLR_ORTAPI_H

#include <stddef.h>
#include <stdint.h>

enum { ORT_API_VERSION = 24 };

typedef struct OrtApi OrtApi; // an array of functions
typedef struct OrtStatus OrtStatus;
typedef struct OrtValue OrtValue;
typedef struct OrtKernelInfo OrtKernelInfo;
typedef struct OrtKernelContext OrtKernelContext;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtCustomOpDomain OrtCustomOpDomain;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;

typedef struct OrtApiBase {
	const OrtApi *(*GetApi)(uint32_t version);
	const char *(*GetVersionString)(void);
} OrtApiBase;

enum { ORT_FAIL = 1, ORT_FLOAT = 1, ORT_UINT8 = 2, ORT_REQUIRED = 0, ORT_OPTIONAL = 1 };

// An OrtCustomOp describes an operator. Members that are NULL are never called.
typedef struct OrtCustomOp OrtCustomOp;
struct OrtCustomOp {
	uint32_t version;
	void *(*CreateKernel)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *);
	const char *(*GetName)(const OrtCustomOp *);
	const char *(*GetExecutionProviderType)(const OrtCustomOp *);
	int (*GetInputType)(const OrtCustomOp *, size_t);
	size_t (*GetInputTypeCount)(const OrtCustomOp *);
	int (*GetOutputType)(const OrtCustomOp *, size_t);
	size_t (*GetOutputTypeCount)(const OrtCustomOp *);
	void (*KernelCompute)(void *, OrtKernelContext *);
	void (*KernelDestroy)(void *);
	int (*GetInputCharacteristic)(const OrtCustomOp *, size_t);
	int (*GetOutputCharacteristic)(const OrtCustomOp *, size_t);
	int (*GetInputMemoryType)(const OrtCustomOp *, size_t);
	void *variadic[4];
	OrtStatus *(*CreateKernelV2)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *, void **);
	OrtStatus *(*KernelComputeV2)(void *, OrtKernelContext *);
	void *InferOutputShapeFn;
	int (*GetStartVersion)(const OrtCustomOp *);
	int (*GetEndVersion)(const OrtCustomOp *);
	size_t (*GetMayInplace)(int **inputs, int **outputs);
	void (*ReleaseMayInplace)(int *inputs, int *outputs);
	void *alias[2];
};

// ORT calls function `name` of the table.
#define ORT(api, name, ...) (((ort_##name)((void *const *)(api))[ORT_##name])(__VA_ARGS__))

enum {
	ORT_CreateStatus = 0,
	ORT_CreateCustomOpDomain = 26,
	ORT_CustomOpDomain_Add = 27,
	ORT_AddCustomOpDomain = 28,
	ORT_GetTensorMutableData = 51,
	ORT_GetDimensions = 62,
	ORT_GetTensorTypeAndShape = 65,
	ORT_KernelContext_GetInputCount = 88,
	ORT_KernelContext_GetInput = 90,
	ORT_KernelContext_GetOutput = 91,
	ORT_ReleaseStatus = 93,
	ORT_ReleaseTensorTypeAndShapeInfo = 99,
	ORT_ReleaseCustomOpDomain = 101,
	ORT_KernelInfoGetAttributeArray_float = 162,
	ORT_KernelInfoGetAttributeArray_int64 = 163,
	ORT_KernelContext_ParallelFor = 274,
};

typedef OrtStatus *(*ort_CreateStatus)(int code, const char *message);
typedef OrtStatus *(*ort_CreateCustomOpDomain)(const char *name, OrtCustomOpDomain **);
typedef OrtStatus *(*ort_CustomOpDomain_Add)(OrtCustomOpDomain *, const OrtCustomOp *);
typedef OrtStatus *(*ort_AddCustomOpDomain)(OrtSessionOptions *, OrtCustomOpDomain *);
typedef OrtStatus *(*ort_GetTensorMutableData)(OrtValue *, void **);
typedef OrtStatus *(*ort_GetDimensions)(const OrtTensorTypeAndShapeInfo *, int64_t *, size_t);
typedef OrtStatus *(*ort_GetTensorTypeAndShape)(const OrtValue *, OrtTensorTypeAndShapeInfo **);
typedef OrtStatus *(*ort_KernelContext_GetInputCount)(const OrtKernelContext *, size_t *);
typedef OrtStatus *(*ort_KernelContext_GetInput)(const OrtKernelContext *, size_t, const OrtValue **);
typedef OrtStatus *(*ort_KernelContext_GetOutput)(OrtKernelContext *, size_t, const int64_t *, size_t, OrtValue **);
typedef void (*ort_ReleaseStatus)(OrtStatus *);
typedef void (*ort_ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo *);
typedef void (*ort_ReleaseCustomOpDomain)(OrtCustomOpDomain *);
typedef OrtStatus *(*ort_KernelInfoGetAttributeArray_float)(const OrtKernelInfo *, const char *, float *, size_t *);
typedef OrtStatus *(*ort_KernelInfoGetAttributeArray_int64)(const OrtKernelInfo *, const char *, int64_t *, size_t *);
typedef OrtStatus *(*ort_KernelContext_ParallelFor)(const OrtKernelContext *, void (*)(void *, size_t), size_t total, size_t batches, void *);

#endif
