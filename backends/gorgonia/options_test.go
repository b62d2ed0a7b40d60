package gorgonia

import (
	"strings"
	"testing"

	"github.com/goclr/goclr/backends"
)

// TestWrongOptions wants each refused with what to do instead.
func TestWrongOptions(t *testing.T) {
	for _, c := range []struct {
		options backends.Options
		want    string
	}{
		{backends.Options{Device: "tpu"}, `unknown device "tpu": this backend has cpu and cuda:N`},
		{backends.Options{Threads: -1}, "name at least 1"},
		{backends.Options{Provider: "OpenVINO"}, "use backend onnx"},
		{backends.Options{ProviderOptions: map[string]string{"use_tf32": "0"}}, "use backend onnx"},
		{backends.Options{Library: "lib/libonnxruntime.so"}, "lib/libonnxruntime.so would be the library of ONNX Runtime"},
	} {
		b, err := backends.Open(t.Context(), "gorgonia", c.options)
		if err == nil {
			t.Errorf("%+v: it opens %+v", c.options, b.Info())
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.options, err, c.want)
		}
	}
}
