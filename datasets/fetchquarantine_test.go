package datasets

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestFetchQuarantine fetches what shards of earlier versions have, and tells a folder without bad images from one that is not there.
func TestFetchQuarantine(t *testing.T) {
	opened.names = map[string]int{}
	store := t.TempDir()
	if err := os.WriteFile(filepath.Join(store, quarantineList), []byte(`{"index":7,"key":"a.jpg","reason":"cut"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := FetchQuarantine(t.Context(), "disk://"+store, dir); err != nil {
		t.Fatal(err)
	}
	n := 0
	for bad, err := range ReadQuarantine(dir) {
		if n++; err != nil || bad.ID != 7 || bad.Key != "a.jpg" || bad.Reason != "cut" {
			t.Errorf("%+v, %v", bad, err)
		}
	}
	if n != 1 {
		t.Errorf("%d bad images", n)
	}
	if err := os.Rename(filepath.Join(store, quarantineList), filepath.Join(store, "other")); err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := FetchQuarantine(t.Context(), "disk://"+store, dir); err != nil {
		t.Error(err)
	}
	for _, err := range ReadQuarantine(dir) {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a store without bad images: %v", err)
		}
	}
	if err := FetchQuarantine(t.Context(), "disk://"+t.TempDir()+"/none", dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
}
