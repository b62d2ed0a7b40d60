package main

import (
	"io"
	"path/filepath"
	"strings"
)

// writers are the kinds of files, by extension.
var writers = map[string]func(*sheet, io.Writer) error{".html": (*sheet).writePage, ".png": (*sheet).writePicture}

func extension(path string) string { return strings.ToLower(filepath.Ext(path)) }

// writer writes the sheet as the kind of file that path is.
func (s *sheet) writer(path string) func(io.WriteSeeker) error {
	return func(w io.WriteSeeker) error { return writers[extension(path)](s, w) }
}
