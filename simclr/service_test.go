package simclr

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestServiceHasNoTrainingCode looks for the code of Run and of gradients in a program that only embeds.
func TestServiceHasNoTrainingCode(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program, which takes seconds")
	}
	binary := filepath.Join(t.TempDir(), "service")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "./testdata/service").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.Command("go", "tool", "nm", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	symbols := string(out)
	if !strings.Contains(symbols, "simclr.OpenEncoder") {
		t.Fatal("the program has no OpenEncoder: the symbols are not what this test takes them for")
	}
	for _, training := range []string{"simclr.Run.Train", "simclr.Model.TrainStep", "graph.(*Graph).Grad", "simclr.(*Checkpoint).save"} {
		if strings.Contains(symbols, training) {
			t.Errorf("the program contains %s", training)
		}
	}
}
