package onnx

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// touch makes an empty file, with its folders, and returns its path.
func touch(t *testing.T, elem ...string) string {
	t.Helper()
	path := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFindLibraryOrder(t *testing.T) {
	root := t.TempDir()
	explicit := touch(t, root, "explicit.so")
	fromEnv := touch(t, root, "env.so")
	cache := filepath.Join(root, "cache")
	cached := touch(t, cache, "goclr", "onnxruntime-1.27.0", runtime.GOOS+"-"+runtime.GOARCH, "libonnxruntime.so.1")
	loaderFolder := filepath.Join(root, "loader")
	loaded := touch(t, loaderFolder, "libonnxruntime.so.1")

	tests := []struct {
		name               string
		explicit           string
		env, cache, loader string
		want               string
	}{
		{"the explicit path wins", explicit, fromEnv, cache, loaderFolder, explicit},
		{"then the environment variable", "", fromEnv, cache, loaderFolder, fromEnv},
		{"then the cache", "", "", cache, loaderFolder, cached},
		{"then the loader's folders", "", "", filepath.Join(root, "empty"), loaderFolder, loaded},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(LibraryEnv, test.env)
			t.Setenv("GOCLR_CACHE", test.cache)
			t.Setenv("LD_LIBRARY_PATH", test.loader)
			got, err := FindLibrary(test.explicit)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("FindLibrary(%q) = %q, want %q", test.explicit, got, test.want)
			}
		})
	}
}

func TestFindLibraryDefaultCache(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("GOCLR_CACHE", "")
	t.Setenv(LibraryEnv, "")
	want := touch(t, home, ".cache", "goclr", "onnxruntime-1.27.0", runtime.GOOS+"-"+runtime.GOARCH, "libonnxruntime.so.1")
	if got, err := FindLibrary(""); err != nil || got != want {
		t.Errorf("FindLibrary = %q, %v, want %q", got, err, want)
	}
}

func TestFindLibraryNamedMustExist(t *testing.T) {
	folder := t.TempDir()
	t.Setenv(LibraryEnv, "")
	missing := filepath.Join(folder, "missing.so")

	_, err := FindLibrary(missing)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) || !strings.Contains(err.Error(), "make setup") {
		t.Errorf("missing file: %v, want fs.ErrNotExist, the path and the command that fetches the library", err)
	}
	if _, err := FindLibrary(folder); err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("a folder: %v, want an error that says it is not a file", err)
	}
	t.Setenv(LibraryEnv, missing)
	if _, err := FindLibrary(""); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), LibraryEnv) {
		t.Errorf("missing file in the environment: %v, want fs.ErrNotExist and the variable's name", err)
	}
}

func TestFindLibraryMakesPathsAbsolute(t *testing.T) {
	folder := t.TempDir()
	want := touch(t, folder, "libonnxruntime.so.1")
	t.Chdir(folder)
	if got, err := FindLibrary("libonnxruntime.so.1"); err != nil || got != want {
		t.Errorf("FindLibrary = %q, %v, want %q: dlopen searches elsewhere for a name without a slash", got, err, want)
	}
}

func TestSearchLibraryVersions(t *testing.T) {
	tests := []struct {
		file string // what is there; libonnxruntime.so links to it when the names differ
		ok   bool
	}{
		{"libonnxruntime.so", true}, // says no version
		{"libonnxruntime.so.1", true},
		{"libonnxruntime.so.1.27.0", true},
		{"libonnxruntime.so.1.27", true},
		{"libonnxruntime.so.1.2", false},
		{"libonnxruntime.so.1.21.0", false},
		{"libonnxruntime.so.1.27.1", false},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			folder := t.TempDir()
			path := touch(t, folder, test.file)
			if link := filepath.Join(folder, "libonnxruntime.so"); link != path {
				if err := os.Symlink(test.file, link); err != nil {
					t.Fatal(err)
				}
			}
			found, others := searchLibrary([]string{"", folder})
			if (found != "") != test.ok {
				t.Errorf("found %q, want found: %v", found, test.ok)
			}
			if (len(others) != 0) == test.ok {
				t.Errorf("passed over %q, want any: %v", others, !test.ok)
			}
		})
	}
}

func TestNotFoundSaysTheNextStep(t *testing.T) {
	err := notFound("/cache/libonnxruntime.so.1", []string{"/usr/lib/libonnxruntime.so.1.21.0"})
	if !errors.Is(err, ErrNoLibrary) {
		t.Errorf("%v does not wrap ErrNoLibrary", err)
	}
	for _, want := range []string{
		"/cache/libonnxruntime.so.1", "libonnxruntime.so.1.21.0 is not version 1.27.0",
		"make setup", "sh backends/onnx/fetch-library.sh", LibraryEnv,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

// fetch runs fetch-library.sh on a machine that has tools and, when npm is not empty, an npm of that script; it
// returns what the script printed and its error.
func fetch(t *testing.T, cache, npm string) (stdout, stderr string, err error) {
	t.Helper()
	if runtime.GOOS != "linux" || (runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64") {
		t.Skipf("fetch-library.sh serves Linux on amd64 and arm64, this is %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	bin := t.TempDir()
	for _, tool := range []string{"sh", "uname", "sha256sum", "mkdir", "mktemp", "rm", "mv", "chmod", "tar", "gzip"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skipf("fetch-library.sh needs %s: %v", tool, err)
		}
		if err := os.Symlink(path, filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	if npm != "" {
		if err := os.WriteFile(filepath.Join(bin, "npm"), []byte("#!/bin/sh\n"+npm), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	command := exec.Command("sh", "fetch-library.sh")
	command.Env = []string{"PATH=" + bin, "GOCLR_CACHE=" + cache}
	command.Stdout, command.Stderr = &out, &errs
	err = command.Run()
	return out.String(), errs.String(), err
}

func TestFetchLibraryFindsTheCacheOffline(t *testing.T) {
	library, err := cachedLibrary()
	if err != nil || !isFile(library) {
		t.Skip("the library is not in the cache: run `make setup`")
	}
	t.Setenv("GOCLR_CACHE", t.TempDir())
	want, err := cachedLibrary()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(want), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(library, want); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, err := fetch(t, os.Getenv("GOCLR_CACHE"), "")
	if err != nil || strings.TrimSpace(stdout) != want {
		t.Errorf("printed %q, %v, want %q\n%s", stdout, err, want, stderr)
	}
}

func TestFetchLibraryRefusesOtherBytes(t *testing.T) {
	const npm = `for a in x64 arm64; do
	mkdir -p package/bin/napi-v6/linux/$a
	echo tampered >package/bin/napi-v6/linux/$a/libonnxruntime.so.1
done
tar -czf onnxruntime-node-1.27.0.tgz package
`
	cache := t.TempDir()
	stdout, stderr, err := fetch(t, cache, npm)
	if err == nil || stdout != "" || !strings.Contains(stderr, "refused") {
		t.Errorf("a library with another SHA-256 was not refused: printed %q, %v\n%s", stdout, err, stderr)
	}
	if err := filepath.WalkDir(cache, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			t.Errorf("left %s in the cache", path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestFetchLibraryNamesWhatToInstall(t *testing.T) {
	for _, test := range []struct{ name, npm string }{
		{"no client", ""},
		{"a client without a network", "exit 1\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, stderr, err := fetch(t, t.TempDir(), test.npm)
			if err == nil {
				t.Fatal("the script succeeded without a client")
			}
			for _, want := range []string{"apt-get install python3-pip", LibraryEnv} {
				if !strings.Contains(stderr, want) {
					t.Errorf("the error does not say %q:\n%s", want, stderr)
				}
			}
		})
	}
}
