package main

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"os"
)

// writeArchive writes images 0 to n-1 as a tar archive.
func (c *collection) writeArchive(ctx context.Context, path string, n int) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffered := bufio.NewWriterSize(file, 1<<20)
	archive := tar.NewWriter(buffered)
	for k := range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		image := c.image(k)
		if err := archive.WriteHeader(&tar.Header{Name: name(k), Mode: 0o644, Size: int64(len(image))}); err != nil {
			return err
		}
		if _, err := archive.Write(image); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), buffered.Flush())
}
