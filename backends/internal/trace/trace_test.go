package trace

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTable sums up two steps: the trace has events of other kinds, and an operator that ran on two providers.
func TestTable(t *testing.T) {
	f, err := os.Open(filepath.Join("testdata", "trace.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := read(f)
	if err != nil {
		t.Fatal(err)
	}
	const want = `2 steps, 5.0 ms each

   share  total ms  calls  ms/step  calls/step  operator
  60.0 %       6.0      3     3.00         1.5  Conv (CUDA)
  15.0 %       1.5      2     0.75           1  Relu (CUDA)
   5.0 %       0.5      1     0.25         0.5  Relu (CPU)
  20.0 %       2.0      0     1.00           0  outside of operators
`
	if table := string(got.table()); table != want {
		t.Errorf("the table is\n%swant\n%s", table, want)
	}
}

func TestBrokenTraces(t *testing.T) {
	for _, text := range []string{"", "{", "[", `[{"cat": 3}]`, "[]", `[{"cat":"Session","name":"model_run"`} {
		if got, err := read(strings.NewReader(text)); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}
