package cuda

import (
	"embed"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed kernels/*.cu kernels/*.cuh
var sources embed.FS

// A source is a file of CUDA C.
type source struct {
	name, text string
}

// programs are the sources of kernels, and headers what they include, both in the order of their names.
func programs() (programs, headers []source, err error) {
	err = fs.WalkDir(sources, "kernels", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := sources.ReadFile(file)
		s := source{name: path.Base(file), text: string(text)}
		if strings.HasSuffix(file, ".cuh") {
			headers = append(headers, s)
		} else {
			programs = append(programs, s)
		}
		return err
	})
	byName := func(a, b source) int { return strings.Compare(a.name, b.name) }
	slices.SortFunc(programs, byName)
	slices.SortFunc(headers, byName)
	return programs, headers, err
}
