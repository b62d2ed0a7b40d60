package cuda

// The numbers of CUDA's headers that this package passes or tests for. A test compares each with the header that has it, under the
// name in the comment.
const (
	driverOutOfMemory  = 2   // CUDA_ERROR_OUT_OF_MEMORY
	driverNoDevice     = 100 // CUDA_ERROR_NO_DEVICE
	driverNotFound     = 500 // CUDA_ERROR_NOT_FOUND
	driverNotReady     = 600 // CUDA_ERROR_NOT_READY
	driverECC          = 214 // CUDA_ERROR_ECC_UNCORRECTABLE
	driverNVLink       = 220 // CUDA_ERROR_NVLINK_UNCORRECTABLE
	driverPTXVersion   = 222 // CUDA_ERROR_UNSUPPORTED_PTX_VERSION
	driverAddress      = 700 // CUDA_ERROR_ILLEGAL_ADDRESS
	driverTimeout      = 702 // CUDA_ERROR_LAUNCH_TIMEOUT
	driverStack        = 714 // CUDA_ERROR_HARDWARE_STACK_ERROR
	driverInstruction  = 715 // CUDA_ERROR_ILLEGAL_INSTRUCTION
	driverMisaligned   = 716 // CUDA_ERROR_MISALIGNED_ADDRESS
	driverAddressSpace = 717 // CUDA_ERROR_INVALID_ADDRESS_SPACE
	driverPC           = 718 // CUDA_ERROR_INVALID_PC
	driverLaunchFailed = 719 // CUDA_ERROR_LAUNCH_FAILED
	capabilityMajor    = 75  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
	capabilityMinor    = 76  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR
	streamNonBlocking  = 1   // CU_STREAM_NON_BLOCKING
	eventWithoutTiming = 2   // CU_EVENT_DISABLE_TIMING
	captureRelaxed     = 2   // CU_STREAM_CAPTURE_MODE_RELAXED

	cudnnNotSupported     = 3000 // CUDNN_STATUS_NOT_SUPPORTED
	cudnnOutOfMemory      = 4004 // CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED
	cudnnFloat            = 0    // CUDNN_DATA_FLOAT
	cudnnBFloat16         = 9    // CUDNN_DATA_BFLOAT16
	cudnnNHWC             = 1    // CUDNN_TENSOR_NHWC
	cudnnCrossCorrelation = 1    // CUDNN_CROSS_CORRELATION
	cudnnDefaultMath      = 0    // CUDNN_DEFAULT_MATH
	cudnnTensorOpMath     = 1    // CUDNN_TENSOR_OP_MATH
	cudnnConversionMath   = 2    // CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION
	cudnnFMAMath          = 3    // CUDNN_FMA_MATH
	cudnnDeterministic    = 1    // CUDNN_DETERMINISTIC

	ltOutOfMemory    = 3  // CUBLAS_STATUS_ALLOC_FAILED
	computeFloat     = 68 // CUBLAS_COMPUTE_32F
	computeFastTF32  = 77 // CUBLAS_COMPUTE_32F_FAST_TF32
	realFloat        = 0  // CUDA_R_32F
	operationN       = 0  // CUBLAS_OP_N
	operationT       = 1  // CUBLAS_OP_T
	matmulTransA     = 3  // CUBLASLT_MATMUL_DESC_TRANSA
	matmulTransB     = 4  // CUBLASLT_MATMUL_DESC_TRANSB
	preferWorkspace  = 1  // CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES
	preferAlignmentA = 5  // CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES
	preferAlignmentB = 6  // CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES
	preferAlignmentC = 7  // CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES
	preferAlignmentD = 8  // CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES
)
