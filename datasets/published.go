package datasets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// A publishedSet is a dataset that its authors publish as a few files of raw pixels.
type publishedSet interface {
	// files are the names of those that tell the set: where they lie in one folder, it is that.
	files() []string
	// open opens a split. What release frees is needed until the Dataset is closed, or until release is called, once; where
	// there is an error, it is the caller's.
	open(ctx context.Context, split string, open fileOpener, release func() error) (Dataset, error)
}

// A fileOpener opens a file of the folder of a published set. The error wraps fs.ErrNotExist where there is none of that name.
type fileOpener func(ctx context.Context, name string) (Object, error)

var publishedSets = []publishedSet{&cifarLayouts[0], &cifarLayouts[1], stl10{}}

// findPublished tells which set some files are, and returns the folder that they lie in.
func findPublished(files []string) (set publishedSet, dir string) {
	for _, set := range publishedSets {
		signs := set.files()
		for _, f := range files {
			if path.Base(f) != signs[0] {
				continue
			}
			dir := path.Dir(f)
			missing := func(name string) bool { return !slices.Contains(files, path.Join(dir, name)) }
			if !slices.ContainsFunc(signs, missing) {
				return set, dir
			}
		}
	}
	return nil, ""
}

// mostPublished is more bytes than any file has that is read as a whole.
const mostPublished = 1 << 30

// readWholeFile returns a file of a published set.
func readWholeFile(ctx context.Context, open fileOpener, name string) (content []byte, err error) {
	o, err := open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	return readContent(ctx, o, name, mostPublished)
}

// missingFile explains the error of opening a file of a published set.
func missingFile(err error, name, set string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing; fetch the binary version of %s again", name, set)
	}
	return err
}

// readClassNames returns the names of the classes of a published set, one to a line of a file.
func readClassNames(ctx context.Context, open fileOpener, file, set string) ([]string, error) {
	b, err := readWholeFile(ctx, open, file)
	if err != nil {
		return nil, missingFile(err, file, set)
	}
	var names []string
	for line := range bytes.Lines(b) {
		if name := strings.TrimSpace(string(line)); name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 || !slices.IsSorted(names) || !utf8.Valid(b) {
		return nil, fmt.Errorf("%s does not hold the sorted names of the classes; fetch %s again", file, set)
	}
	return names, nil
}
