package onnx

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

// A provider executes the operators of a model that it knows; the CPU executes the others.
type provider struct {
	name    string // as ONNX Runtime has it; "" is the CPU alone
	device  string // for Info: "cpu", "cuda:N", or the name of a provider that chooses a device by its options
	options map[string]string
}

// The providers that ONNX Runtime has functions of their own for; all others it knows by name.
const (
	cuda     = "CUDA"
	tensorRT = "TensorRT"
)

// errUnavailable is what the errors of check wrap when the library or the machine lacks what the provider needs.
var errUnavailable = errors.New("not available")

// newProvider reads Device, Provider and ProviderOptions.
func newProvider(o backends.Options) (provider, error) {
	number, isCUDA, err := backends.CUDADevice(o.Device)
	if err != nil {
		return provider{}, err
	}
	name := strings.TrimSuffix(o.Provider, "ExecutionProvider")
	_, hasID := o.ProviderOptions["device_id"]
	switch {
	case strings.EqualFold(name, cuda):
		return provider{}, fmt.Errorf("provider %s: name a device instead: cuda:0", o.Provider)
	case isCUDA && name != "":
		return provider{}, fmt.Errorf("device %s and provider %s: both say what computes; leave one of them out", o.Device, o.Provider)
	case isCUDA && hasID:
		return provider{}, fmt.Errorf("provider option device_id: the device %s says it; leave the option out", o.Device)
	case isCUDA:
		// The default of ONNX Runtime times the algorithms of a convolution, so that the bits depend on chance.
		options := map[string]string{"cudnn_conv_algo_search": "HEURISTIC"}
		maps.Copy(options, o.ProviderOptions)
		options["device_id"] = strconv.Itoa(number)
		return provider{name: cuda, device: fmt.Sprintf("cuda:%d", number), options: options}, nil
	case strings.EqualFold(name, tensorRT):
		options := map[string]string{"device_id": "0"}
		maps.Copy(options, o.ProviderOptions)
		return provider{name: tensorRT, device: tensorRT, options: options}, nil
	case name != "":
		return provider{name: name, device: name, options: maps.Clone(o.ProviderOptions)}, nil
	case len(o.ProviderOptions) > 0:
		return provider{}, fmt.Errorf("provider options %s: the CPU has none; name a provider, or a device cuda:N",
			joinOptions(o.ProviderOptions))
	}
	return provider{device: "cpu"}, nil
}

// table is how to lower for the provider to operators of the standard.
func (p provider) table() map[graph.Op]lowering {
	if p.name == "" {
		return standard
	}
	return portable
}

// info is the provider, its options and NVIDIA's GPUs where it computes on one: what Info says of it.
func (p provider) info(driver fs.FS) string {
	if gpus := gpuNames(driver); gpus != "" && p.onGPU() {
		return p.String() + " on " + gpus
	}
	return p.String()
}

// onGPU reports whether the provider computes on NVIDIA's GPUs.
func (p provider) onGPU() bool { return p.name == cuda || p.name == tensorRT }

// String is the provider and its options: "" for the CPU alone.
func (p provider) String() string {
	return strings.TrimSpace(p.name + " " + joinOptions(p.options))
}

func joinOptions(options map[string]string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(options)) {
		parts = append(parts, key+"="+options[key])
	}
	return strings.Join(parts, " ")
}

// addTo makes a session use the provider.
func (p provider) addTo(o *ort.SessionOptions) error {
	switch p.name {
	case "":
		return nil
	case cuda:
		c, err := ort.NewCUDAProviderOptions()
		if err != nil {
			return err
		}
		defer c.Destroy()
		if err := c.Update(p.options); err != nil {
			return err
		}
		return o.AppendExecutionProviderCUDA(c)
	case tensorRT:
		c, err := ort.NewTensorRTProviderOptions()
		if err != nil {
			return err
		}
		defer c.Destroy()
		if err := c.Update(p.options); err != nil {
			return err
		}
		return o.AppendExecutionProviderTensorRT(c)
	}
	return o.AppendExecutionProvider(p.name, p.options)
}

// guard calls f, which runs code of the provider.
func (p provider) guard(f func() error) error {
	if p.name == "" {
		return f()
	}
	return keepSignals(f)
}

// check tries the provider with the loaded library, so that what is missing shows before a model is made. The error says
// what to install, or names the option that is wrong.
func (p provider) check(library string) error {
	if p.name == "" {
		return nil
	}
	o, err := ort.NewSessionOptions()
	if err != nil {
		return err
	}
	defer o.Destroy()
	if err := p.checkParts(library); err != nil {
		return err
	}
	if err := p.guard(func() error { return p.addTo(o) }); err != nil {
		return p.explain(library, err)
	}
	return nil
}

// checkParts looks for the libraries that ONNX Runtime loads from beside its own. It would name but the first that is missing, and
// write that on standard error as well.
func (p provider) checkParts(library string) error {
	if !p.onGPU() {
		return nil
	}
	if p.name == cuda { // the library knows whether it has been built without
		o, err := ort.NewCUDAProviderOptions()
		if err != nil {
			return p.explain(library, err)
		}
		_ = o.Destroy() // fails only the second time
	}
	var missing []string
	for _, part := range []string{"shared", strings.ToLower(p.name)} {
		if name := "libonnxruntime_providers_" + part + ".so"; !isFile(filepath.Join(filepath.Dir(library), name)) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return p.unavailable(fmt.Sprintf("%s needs %s beside it, from the same archive: %s", library, strings.Join(missing, " and "), getGPU))
	}
	return nil
}

// getGPU is how to get an ONNX Runtime with CUDA.
const getGPU = "unpack the Python wheel onnxruntime-gpu==" + LibraryVersion + " and name the libonnxruntime.so." + LibraryVersion +
	" of its folder onnxruntime/capi by -onnxruntime or " + LibraryEnv

// explain makes an error of addTo tell the next step.
func (p provider) explain(library string, err error) error {
	text := err.Error()
	if _, after, ok := strings.Cut(text, "[ONNXRuntimeError] : "); ok { // a place in the source is before, a code after it
		parts := strings.SplitN(after, " : ", 3)
		text = parts[len(parts)-1]
	}
	text, _, _ = strings.Cut(text, " ; GPU=") // again places in the source
	text = strings.TrimRight(text, ".")
	switch {
	case strings.Contains(text, "in this build") && p.onGPU(): // not enabled, not supported
		return p.unavailable(fmt.Sprintf("%s is built without %s: %s", library, p.name, getGPU))
	case strings.Contains(text, "in this build"):
		return p.unavailable(fmt.Sprintf("%s is built without it: name a build of ONNX Runtime that has it by -onnxruntime or %s",
			library, LibraryEnv))
	case strings.Contains(text, "Failed to load library") && p.onGPU():
		return p.unavailable(text + ": put the folder of that library into LD_LIBRARY_PATH; " +
			"pip install 'onnxruntime-gpu[cuda,cudnn]==" + LibraryVersion + "' installs those of CUDA and cuDNN, as nvidia/*/lib")
	case strings.Contains(text, `option "device_id"`):
		return p.unavailable(text + ": nvidia-smi lists the devices; if it fails, NVIDIA's driver is missing or too old")
	case strings.Contains(text, "provider option"):
		return fmt.Errorf("provider options %s: %s: the documentation of ONNX Runtime's provider %s lists those that it takes",
			joinOptions(p.options), text, p.name)
	}
	return fmt.Errorf("%s does not take the provider %s: %s", library, p, text)
}

func (p provider) unavailable(why string) error {
	what := "provider " + p.name
	if p.name == cuda {
		what = "device " + p.device
	}
	return fmt.Errorf("%s is %w: %s", what, errUnavailable, why)
}
