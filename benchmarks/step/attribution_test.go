package step

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAttribution gives attribute.py a trace of three steps, of which the first does not count, and the peaks of two measurements, of
// which the higher counts.
func TestAttribution(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip(err)
	}
	// A convolution of 2 images, of 2*2*64*8*8*32*3*3 = 4,718,592 operations, takes 1 ms on average.
	const conv = `"name": "ConvGradInput 32x16x16 to 64x8x8 by 3x3/2 #7_kernel_time",
		"args": {"op_name": "ConvGradInput", "input_type_shape": [{"float": [2, 4, 8, 8, 16]}, {"float": [64, 32, 3, 3]}]}}`
	const moments = `"name": "Moments 64x8x8 #8_kernel_time", "args": {"op_name": "Moments", "input_type_shape": [{"float": [2, 4, 8, 8, 16]}]}}`
	const trace = `[{"cat": "Session", "ts": 0, "dur": 90, "name": "session_initialization", "args": {}},
		{"cat": "Node", "ts": 100, "dur": 9000, ` + conv + `,
		{"cat": "Session", "ts": 100, "dur": 9900, "name": "model_run", "args": {}},
		{"cat": "Node", "ts": 10000, "dur": 900, ` + conv + `,
		{"cat": "Node", "ts": 10900, "dur": 500, ` + moments + `,
		{"cat": "Session", "ts": 10000, "dur": 2000, "name": "model_run", "args": {}},
		{"cat": "Node", "ts": 12000, "dur": 1100, ` + conv + `,
		{"cat": "Node", "ts": 13100, "dur": 300, "name": "Add_9_kernel_time", "args": {"op_name": "Add"}},
		{"cat": "Session", "ts": 12000, "dur": 2000, "name": "model_run", "args": {}}]`
	const peaks = `BenchmarkPeak/float32/AVX512 20 1 ns/op 5.0 GFLOP/s
BenchmarkPeak/float32/AVX512-2 20 1 ns/op 9.4372 GFLOP/s
BenchmarkPeak/float32/AVX512 20 1 ns/op 6.0 GFLOP/s
BenchmarkPeak/float32/AVX512-2 20 1 ns/op 8.0 GFLOP/s
`
	folder := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return file
	}
	out, err := exec.Command(python, filepath.Join("..", "attribute.py"), "--peak", write("peaks", peaks), "--threads", "2",
		"tiny::pretrain FLAGS::"+write("trace.json", trace)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		"Peak: 6 GFLOP/s on one thread, 9.44 GFLOP/s on 2: float32, AVX512,",
		"## tiny\n\n    pretrain FLAGS\n\n2 steps, 2 ms each, 2 to 2. ",
		"| gradient of input | 1 | 1 | 50.0 % | 0.00472 | 4.72 | 50 % | 100 % |\n",
		"| normalisation | 0.5 | 0.25 | 12.5 % |  |  |  |  |\n",
		"| rest | 0.5 | 0.15 | 7.5 % |  |  |  |  |\n",
		"| outside operators | 0 | 0.6 | 30.0 % |  |  |  |  |\n",
		"| ConvGradInput 32x16x16 to 64x8x8 by 3x3/2 | 1 | 1 | 50.0 % | 0.00472 | 4.72 | 50 % | 100 % |\n| Moments 64x8x8 | 0.5 |",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
