package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// writers are the kinds of files, by extension.
var writers = map[string]func(*sheet, io.Writer) error{".html": (*sheet).writePage, ".png": (*sheet).writePicture}

func extension(path string) string { return strings.ToLower(filepath.Ext(path)) }

// writer writes the sheet as the kind of file that path is.
func (s *sheet) writer(path string) func(io.Writer) error {
	return func(w io.Writer) error { return writers[extension(path)](s, w) }
}

// writeFile writes a file that appears complete or not at all.
func writeFile(path string, write func(io.Writer) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
				err = fmt.Errorf("%w: make room on the disk, or name a file on another", err)
			}
			err = errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(tmp.Name()))
		}
	}()
	if err := errors.Join(write(tmp), tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
