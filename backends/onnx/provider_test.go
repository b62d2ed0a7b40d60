package onnx

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/backendtest"
)

// TestConformanceCUDA runs the suite on the first GPU, where the library that FindLibrary finds has CUDA and there is one.
func TestConformanceCUDA(t *testing.T) {
	open := func(t *testing.T) backends.Backend {
		// TF32 keeps ten bits of a number, too few for the tolerance of the suite.
		b, err := backends.Open(t.Context(), "onnx", backends.Options{
			Device: "cuda:0", ProviderOptions: map[string]string{"use_tf32": "0"},
		})
		if errors.Is(err, ErrNoLibrary) || errors.Is(err, errUnavailable) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	closeTest(t, open(t)) // skips
	backendtest.Run(t, open, backendtest.Options{})
}

// TestConformanceOfProviders runs the suite as on other providers, but on the one that every library has.
func TestConformanceOfProviders(t *testing.T) {
	closeTest(t, openTest(t)) // skips
	backendtest.Run(t, func(t *testing.T) backends.Backend {
		b, err := backends.Open(t.Context(), "onnx", backends.Options{Threads: 2, Provider: "CPU"})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}, backendtest.Options{})
}

func TestNewProvider(t *testing.T) {
	for _, c := range []struct {
		device, provider, options string
		where, want               string   // of the provider
		refusal                   []string // parts of the error
	}{
		{"", "", "", "cpu", "", nil},
		{"cpu", "", "", "cpu", "", nil},
		{"cuda", "", "", "cuda:0", "CUDA cudnn_conv_algo_search=HEURISTIC device_id=0", nil},
		{"cuda:12", "", "use_tf32=0", "cuda:12", "CUDA cudnn_conv_algo_search=HEURISTIC device_id=12 use_tf32=0", nil},
		{"cuda:0", "", "cudnn_conv_algo_search=EXHAUSTIVE", "cuda:0", "CUDA cudnn_conv_algo_search=EXHAUSTIVE device_id=0", nil},
		{"cpu", "OpenVINO", "device_type=CPU", "OpenVINO", "OpenVINO device_type=CPU", nil},
		{"", "OpenVINOExecutionProvider", "", "OpenVINO", "OpenVINO", nil},
		{"", "tensorrt", "device_id=1", "TensorRT", "TensorRT device_id=1", nil},
		{"", "TensorRT", "trt_fp16_enable=0", "TensorRT", "TensorRT device_id=0 trt_fp16_enable=0", nil},

		{"gpu", "", "", "", "", []string{`unknown device "gpu"`, "cpu and cuda:N"}},
		{":0", "", "", "", "", []string{`":0"`, "cuda:N"}},
		{"cuda:", "", "", "", "", []string{`"cuda:"`, "cuda:N"}},
		{"cuda:-1", "", "", "", "", []string{`"cuda:-1"`, "cuda:N"}},
		{"cuda:1x", "", "", "", "", []string{`"cuda:1x"`, "cuda:N"}},
		{"cuda0", "", "", "", "", []string{`"cuda0"`, "cuda:N"}},
		{"", "CUDAExecutionProvider", "", "", "", []string{"CUDAExecutionProvider", "cuda:0"}},
		{"cuda:0", "OpenVINO", "", "", "", []string{"cuda:0", "OpenVINO", "leave one"}},
		{"cuda:1", "", "device_id=2", "", "", []string{"device_id", "cuda:1", "leave"}},
		{"cpu", "", "use_tf32=0", "", "", []string{"use_tf32=0", "the CPU has none"}},
	} {
		o := backends.Options{Device: c.device, Provider: c.provider}
		if key, value, ok := strings.Cut(c.options, "="); ok {
			o.ProviderOptions = map[string]string{key: value}
		}
		p, err := newProvider(o)
		if c.refusal == nil {
			if err != nil || p.device != c.where || p.String() != c.want {
				t.Errorf("%+v: provider %q on %s (%v), want %q on %s", o, p, p.device, err, c.want, c.where)
			}
			continue
		}
		wantError(t, err, c.refusal...)
	}
}

// wantError expects an error that says all the parts.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one that says %q", parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

// TestWithoutCUDA asks for a GPU of a library or machine without.
func TestWithoutCUDA(t *testing.T) {
	b := openTest(t)
	library := b.(*backend).library
	closeTest(t, b)
	b, err := backends.Open(t.Context(), "onnx", backends.Options{Device: "cuda:0"})
	if err == nil {
		closeTest(t, b)
		t.Skip("there is a GPU here, and the library has CUDA")
	}
	t.Log(err)
	if !errors.Is(err, errUnavailable) {
		t.Errorf("%v does not wrap %v", err, errUnavailable)
	}
	wantError(t, err, "device cuda:0")
	if !isFile(filepath.Join(filepath.Dir(library), "libonnxruntime_providers_cuda.so")) {
		wantError(t, err, library, "onnxruntime-gpu", "-onnxruntime", LibraryEnv)
	}
	if environment.holders != 0 {
		t.Errorf("%d still hold the library", environment.holders)
	}
}

func TestPartsOfTheLibrary(t *testing.T) {
	folder := t.TempDir()
	library, p := filepath.Join(folder, "libonnxruntime.so.1"), provider{name: tensorRT}
	shared, own := "libonnxruntime_providers_shared.so", "libonnxruntime_providers_tensorrt.so"
	wantError(t, p.checkParts(library), "provider TensorRT", library, shared+" and "+own, "same archive")
	touch(t, folder, shared)
	err := p.checkParts(library)
	if wantError(t, err, own); strings.Contains(err.Error(), shared) {
		t.Errorf("%q names a file that is there", err)
	}
	touch(t, folder, own)
	if err := p.checkParts(library); err != nil {
		t.Errorf("nothing is missing: %v", err)
	}
}

// TestExplain has messages of ONNX Runtime 1.27.0 from machines without a GPU.
func TestExplain(t *testing.T) {
	const place = "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider_info.cc:60 static " +
		"onnxruntime::CUDAExecutionProviderInfo onnxruntime::CUDAExecutionProviderInfo::FromProviderOptions(" +
		"const onnxruntime::ProviderOptions&) [ONNXRuntimeError] : 1 : FAIL : "
	gpu := provider{name: cuda, device: "cuda:3", options: map[string]string{"use_tf": "0"}}
	for _, c := range []struct {
		provider    provider
		message     string
		unavailable bool
		want        []string
	}{
		{gpu, "CUDA execution provider is not enabled in this build.", true, []string{"cuda:3", "lib.so is built without CUDA", "onnxruntime-gpu"}},
		{provider{name: "QNN"}, "QNN execution provider is not supported in this build.", true, []string{"provider QNN", "a build of ONNX Runtime that has it"}},
		{gpu, place + "Failed to load library /x/libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file: No such file or directory",
			true, []string{"cuda:3", "libcublasLt.so.13", "LD_LIBRARY_PATH", "onnxruntime-gpu[cuda,cudnn]"}},
		{gpu, place + `provider_options_utils.h:187 Parse Failed to parse provider option "device_id": CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version`,
			true, []string{"cuda:3", "driver", "nvidia-smi"}},
		{gpu, place + `provider_options_utils.h:182 Parse Unknown provider option: "use_tf".`, false, []string{`"use_tf"`, "use_tf=0", "documentation"}},
		{gpu, place + `provider_options_utils.h:187 Parse Failed to parse provider option "cudnn_conv_algo_search": provider_options_utils.h:56 NameToEnum Failed to map enum name to value: BEST`,
			false, []string{`"cudnn_conv_algo_search"`, "BEST"}},
		{provider{name: "Sun"}, "Unknown provider name 'Sun'. Currently supported values are 'DML'", false, []string{"lib.so", "provider Sun", "'DML'"}},
	} {
		err := c.provider.explain("/x/lib.so", errors.New(c.message))
		wantError(t, err, c.want...)
		if errors.Is(err, errUnavailable) != c.unavailable || strings.Contains(err.Error(), "_src") || strings.Contains(err.Error(), "FAIL") {
			t.Errorf("%q: unavailable should be %t, without places in the source and codes", err, c.unavailable)
		}
	}
}

// TestProviderByName names providers that no library has, and the one that every library has.
func TestProviderByName(t *testing.T) {
	closeTest(t, openTest(t)) // skips
	for _, name := range []string{"Nonsense", "QNN"} {
		_, err := backends.Open(t.Context(), "onnx", backends.Options{Provider: name})
		wantError(t, err, name)
	}
	b, err := backends.Open(t.Context(), "onnx", backends.Options{Provider: "CPU"})
	if err != nil {
		t.Fatal(err)
	}
	defer closeTest(t, b)
	if i := b.Info(); i.Provider != "CPU" || i.Device != "CPU" {
		t.Errorf("Info is %+v", i)
	}
}

// TestNormalizationIsAffine: CUDA refuses batch normalisation in training mode.
func TestNormalizationIsAffine(t *testing.T) {
	s := blockOf(2, 4, 2, 1)
	m, err := lower(s.Graph, s.Outputs(), false, settings{provider: provider{name: cuda}})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(m.encoded, []byte("training_mode")) || !bytes.Contains(m.encoded, []byte("BatchNormalization")) {
		t.Error("batch normalisation should be in the model, in the mode of inference")
	}
}
