package onnx

import (
	"io/fs"
	"os"
	"slices"
	"strings"
)

// nvidia is where NVIDIA's driver says what it drives.
var nvidia = os.DirFS("/proc/driver/nvidia")

// gpuNames are the models of the GPUs that the driver lists in its folder, each once, sorted; "" where it lists none.
func gpuNames(driver fs.FS) string {
	files, err := fs.Glob(driver, "gpus/*/information")
	if err != nil {
		return ""
	}
	var names []string
	for _, file := range files {
		text, err := fs.ReadFile(driver, file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "Model:"); ok {
				names = append(names, strings.TrimSpace(name))
			}
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}
