package main

import (
	"archive/tar"
	"bufio"
	"errors"
	"os"
	"path/filepath"
)

// writeTar writes images 0 to n-1 as an archive.
func writeTar(path string, n int) (err error) {
	c, err := newCollection()
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffered := bufio.NewWriterSize(file, 1<<20)
	archive := tar.NewWriter(buffered)
	for k := range n {
		folder, base := name(k)
		image := c.image(k)
		if err := archive.WriteHeader(&tar.Header{Name: folder + "/" + base, Mode: 0o644, Size: int64(len(image))}); err != nil {
			return err
		}
		if _, err := archive.Write(image); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), buffered.Flush())
}

// writeFolder writes images 0 to n-1 as files in class folders.
func writeFolder(path string, n int) error {
	c, err := newCollection()
	if err != nil {
		return err
	}
	for k := range n {
		folder, base := name(k)
		if k < classes {
			if err := os.MkdirAll(filepath.Join(path, folder), 0o755); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(path, folder, base), c.image(k), 0o644); err != nil {
			return err
		}
	}
	return nil
}
