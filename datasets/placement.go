package datasets

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// isHidden reports whether a part of the path marks files that systems leave behind: ".DS_Store", "._a.jpg", "__MACOSX".
func isHidden(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") || part == "__MACOSX" {
			return true
		}
	}
	return false
}

func depthOf(key string) int { return strings.Count(key, "/") }

// placeEven tells the split and class of an image where all lie equally deep: its class is the folder that it lies in, its split the
// folder above; "" where there is none.
func placeEven(key string) (split, class string) {
	dir := path.Dir(key)
	if dir == "." {
		return "", ""
	}
	if above := path.Dir(dir); above != "." {
		split = path.Base(above)
	}
	return split, path.Base(dir)
}

// splitNames are folders that placeUneven takes for splits.
var splitNames = []string{"train", "training", "val", "valid", "validation", "test", "testing"}

func isSplitName(folder string) bool { return slices.Contains(splitNames, strings.ToLower(folder)) }

// placeUneven tells the split and class of an image where some lie deeper than others: its class is the first folder, below that of a split if
// it has a usual name, which may lie in a folder of the whole, and the folders below divide a class.
func placeUneven(key string) (split, class string) {
	first, rest, ok := strings.Cut(key, "/")
	if second, below, deeper := strings.Cut(rest, "/"); deeper && !isSplitName(first) && isSplitName(second) {
		first, rest = second, below
	}
	if ok && isSplitName(first) {
		split = first
		first, _, ok = strings.Cut(rest, "/")
	}
	if !ok {
		first = ""
	}
	return split, first
}

// chooseSplit returns the wanted split, or the only one where none is named.
func chooseSplit(have []string, want string) (string, error) {
	if want == "" && len(have) == 1 {
		return have[0], nil
	}
	if have[0] == "" && len(have) > 1 {
		have = have[1:]
		if want == "" {
			return "", fmt.Errorf("some images are in no split, others are (%s): add a split to the name, as in \"#%s\", or lay all out alike",
				strings.Join(have, ", "), have[0])
		}
	}
	if want == "" {
		return "", fmt.Errorf("several splits (%s): add one to the name, as in \"#%s\"",
			strings.Join(have, ", "), have[0])
	}
	if slices.Contains(have, want) {
		return want, nil
	}
	if len(have) == 1 && have[0] == "" {
		return "", fmt.Errorf("no split %q: its images are not in splits; leave \"#%s\" out", want, want)
	}
	return "", fmt.Errorf("no split %q; it has %s", want, strings.Join(have, ", "))
}
