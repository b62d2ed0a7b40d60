package datasets

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestFolderNames reads a folder of more files than are asked for at once: the names are those of os.ReadDir, in its order.
func TestFolderNames(t *testing.T) {
	dir := t.TempDir()
	for i := range 5000 {
		writeTemp(t, dir, fmt.Sprintf("%d %c.jpg", i*i%4999, 'a'+rune(i%900)), nil)
	}
	writeTemp(t, dir, ".hidden", nil)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, e := range entries {
		if e.Name() != ".hidden" {
			want = append(want, e.Name())
		}
	}
	f, err := readFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	var got []string
	for _, place := range f.places {
		got = append(got, string(f.name(place)))
	}
	if len(got) < 4999 || !slices.Equal(got, want) {
		t.Errorf("%d names, want %d", len(got), len(want))
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := readFolder(stopped, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	if _, err := readFolder(t.Context(), filepath.Join(dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
}
