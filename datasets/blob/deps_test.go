package blob

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOnlyOnRequest lists what packages depend on: who does not import this one builds nothing of the stores' clients.
func TestOnlyOnRequest(t *testing.T) {
	command, err := exec.LookPath("go")
	if err != nil {
		t.Skip("there is no go command")
	}
	for _, args := range [][]string{
		{"./pipeline", "./stages", "./datasets", "./simclr/...", "./backends/..."},
		{"-tags", "nocloud", "./cmd/..."},
	} {
		list := exec.CommandContext(t.Context(), command, append([]string{"list", "-deps"}, args...)...)
		list.Dir = filepath.Join("..", "..")
		list.Stderr = os.Stderr
		packages, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(string(packages)) {
			for _, store := range []string{"gocloud.dev", "github.com/aws/", "github.com/Azure/", "cloud.google.com/", "google.golang.org/grpc"} {
				if strings.HasPrefix(name, store) {
					t.Errorf("%s: %s is built for those who do not ask for it", args, name)
				}
			}
		}
	}
}
