package onnx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// LibraryVersion is the release of ONNX Runtime that the backend is written, tested and pinned against.
const LibraryVersion = "1.27.0"

// LibraryEnv names the environment variable that names the shared library, before the cache is looked at.
const LibraryEnv = "GOCLR_ONNXRUNTIME"

// ErrNoLibrary is what FindLibrary's error wraps when no ONNX Runtime library was named and none was found.
var ErrNoLibrary = errors.New("no ONNX Runtime library found")

// FindLibrary returns the absolute path of the ONNX Runtime shared library to load. It takes, in this order:
//
//  1. explicit, when not empty: what a flag or an option named;
//  2. the path in the environment variable GOCLR_ONNXRUNTIME;
//  3. the library that fetch-library.sh put into the cache;
//  4. the folders of LD_LIBRARY_PATH and those where the system's loader looks, as long as the file's name does not
//     say another version than LibraryVersion.
//
// A library that was named (1 and 2) must exist: nothing else is tried in its place. When nothing was named or found,
// the error wraps ErrNoLibrary and says the command that fetches the library. The file is not opened.
func FindLibrary(explicit string) (string, error) {
	if explicit != "" {
		return namedLibrary(explicit, "named for the onnx backend")
	}
	if path := os.Getenv(LibraryEnv); path != "" {
		return namedLibrary(path, "named by "+LibraryEnv)
	}
	cached, err := cachedLibrary()
	if err == nil && isFile(cached) {
		return cached, nil
	}
	found, others := searchLibrary(loaderFolders())
	if found != "" {
		return found, nil
	}
	return "", notFound(cached, others)
}

// namedLibrary checks a path that the user gave; source says how, for the error.
func namedLibrary(path, source string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("onnx: the library %s does not exist: %s: correct the path, or leave it out and run %s: %w",
			source, path, fetchCommand, fs.ErrNotExist)
	case err != nil:
		return "", fmt.Errorf("onnx: the library %s cannot be read: %w", source, err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("onnx: the library %s is not a file: %s: name the library itself (libonnxruntime.so.1)",
			source, path)
	}
	// With a slash in it dlopen takes the path as it is; without one it would search the system's folders.
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("onnx: the library %s: %w", source, err)
	}
	return abs, nil
}

// fetchCommand is what a user runs, in a checkout of goclr, to get the library.
const fetchCommand = "`make setup` (or `sh backends/onnx/fetch-library.sh`) in goclr's checkout"

// cachedLibrary returns where fetch-library.sh puts the library; the two must agree.
func cachedLibrary() (string, error) {
	cache := os.Getenv("GOCLR_CACHE")
	if cache == "" {
		var err error
		if cache, err = os.UserCacheDir(); err != nil {
			return "", err
		}
	}
	path := filepath.Join(cache, "goclr", "onnxruntime-"+LibraryVersion, runtime.GOOS+"-"+runtime.GOARCH,
		"libonnxruntime.so.1")
	return filepath.Abs(path)
}

// loaderFolders returns the folders where the system's loader looks for shared libraries on Debian, Ubuntu and
// their like.
func loaderFolders() []string {
	triplet := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
	folders := filepath.SplitList(os.Getenv("LD_LIBRARY_PATH"))
	return append(folders,
		"/usr/local/lib", "/usr/lib/"+triplet, "/lib/"+triplet, "/usr/lib64", "/lib64", "/usr/lib", "/lib")
}

// searchLibrary returns the first library in folders that may be of LibraryVersion, and the ones it passed over
// because their names say another version.
func searchLibrary(folders []string) (found string, others []string) {
	for _, folder := range folders {
		for _, name := range []string{"libonnxruntime.so." + LibraryVersion, "libonnxruntime.so.1", "libonnxruntime.so"} {
			if folder == "" {
				continue // an empty element of LD_LIBRARY_PATH is the working folder: never load code from there
			}
			path := filepath.Join(folder, name)
			target, err := filepath.EvalSymlinks(path)
			if err != nil || !isFile(target) {
				continue
			}
			if otherVersion(filepath.Base(target)) {
				others = append(others, target)
				continue
			}
			if abs, err := filepath.Abs(path); err == nil {
				return abs, nil
			}
		}
	}
	return "", others
}

// otherVersion reports whether a library's file name, its links followed, says a version that is not LibraryVersion.
func otherVersion(name string) bool {
	version := strings.TrimPrefix(strings.TrimPrefix(name, "libonnxruntime.so"), ".")
	return version != "" && version != LibraryVersion && !strings.HasPrefix(LibraryVersion, version+".")
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// notFound says where was looked, what was passed over, and the next step.
func notFound(cached string, others []string) error {
	var detail strings.Builder
	if cached != "" {
		fmt.Fprintf(&detail, " (looked for %s and in the system's folders", cached)
	} else {
		detail.WriteString(" (no cache folder: set HOME or GOCLR_CACHE; looked in the system's folders")
	}
	if len(others) > 0 {
		fmt.Fprintf(&detail, "; %s is not version %s", others[0], LibraryVersion)
	}
	return fmt.Errorf("onnx: %w%s): run %s, or name a library in %s",
		ErrNoLibrary, detail.String(), fetchCommand, LibraryEnv)
}
