package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/goclr/goclr/backends"
)

// A Backend is what the flags of a command say about what computes.
type Backend struct {
	Name    string
	Options backends.Options
}

// BackendOwn are the flags that mean something to one backend only: another one does not take them over.
var BackendOwn = []string{"onnxruntime", "provider", "provider-option", "deterministic"}

// AddTo adds the flags.
func (b *Backend) AddTo(f *Flags) {
	o := &b.Options
	f.StringVar(&b.Name, "backend", defaultBackend(), "what computes: "+strings.Join(backends.Names(), ", "))
	f.StringVar(&o.Device, "device", "cpu", "where: cpu, or cuda:N for NVIDIA's GPU number N")
	f.IntVar(&o.Threads, "threads", 0, "threads of the backend (default the number of CPUs)")
	f.StringVar(&o.Precision, "precision", "", "of products, and of images between layers: fp32, and on a GPU with gorgonia tf32 or bf16 (default fp32)")
	f.Var(negation{&o.AnyOrder}, "deterministic", "take sums in one order, so that runs repeat to the bit; =false lets gorgonia on a GPU choose faster algorithms that do not")
	f.BoolVar(&o.Spin, "spin", false, "let those threads wait at full speed: faster on a machine that does nothing else")
	f.BoolVar(&o.StandardOperators, "standard-operators", false, "compute without goclr's vector kernels, by those of ONNX or in plain Go: slower, to compare")
	f.StringVar(&o.Library, "onnxruntime", "", "`path` of the ONNX Runtime library (default $GOCLR_ONNXRUNTIME, or what make setup fetched)")
	f.StringVar(&o.Provider, "provider", "", "`name` of another execution provider of ONNX Runtime, such as OpenVINO or TensorRT (default that of -device)")
	f.Var(pairs{&o.ProviderOptions}, "provider-option", "`key=value`, a setting of the execution provider, also that of -device cuda:N; may be given again")
}

// defaultBackend is onnx, or without cgo, where it is missing, gorgonia.
func defaultBackend() string {
	if slices.Contains(backends.Names(), "onnx") {
		return "onnx"
	}
	return "gorgonia"
}

// Open opens the backend; what it warns of goes to stderr.
func (b *Backend) Open(ctx context.Context) (backends.Backend, error) {
	o := b.Options
	o.Warn = func(message string) { fmt.Fprintln(os.Stderr, "warning:", message) }
	return backends.Open(ctx, b.Name, o)
}

// negation is the value of a switch that says the opposite of an option.
type negation struct{ option *bool }

func (n negation) String() string {
	if n.option == nil { // package flag asks the zero value
		return ""
	}
	return strconv.FormatBool(!*n.option)
}

func (n negation) Set(text string) error {
	value, err := strconv.ParseBool(text)
	if err != nil {
		return errors.New("want true or false")
	}
	*n.option = !value
	return nil
}

// IsBoolFlag lets the flag stand without a value, for true.
func (n negation) IsBoolFlag() bool { return true }

// pairs is the value of a flag that may be given again, each time with one more key=value. Its text, which a resumed run sets,
// has them all, one a line.
type pairs struct{ values *map[string]string }

func (p pairs) String() string {
	if p.values == nil { // package flag asks the zero value
		return ""
	}
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(*p.values)) {
		lines = append(lines, key+"="+(*p.values)[key])
	}
	return strings.Join(lines, "\n")
}

func (p pairs) Set(text string) error {
	if text == "" {
		return nil
	}
	for _, line := range strings.Split(text, "\n") {
		key, value, ok := strings.Cut(line, "=")
		if !ok || key == "" {
			return fmt.Errorf("want key=value")
		}
		if _, twice := (*p.values)[key]; twice {
			return fmt.Errorf("%s is given twice", key)
		}
		if *p.values == nil {
			*p.values = map[string]string{}
		}
		(*p.values)[key] = value
	}
	return nil
}
