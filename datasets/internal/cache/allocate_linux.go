package cache

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// allocate makes an empty file as large as size, on the disk too where the file system can: a disk that is full tells now.
func allocate(file *os.File, size int64) error {
	if size > 0 {
		err := unix.Fallocate(int(file.Fd()), 0, 0, size)
		if err == nil || isFull(err) {
			return err
		}
		if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EINTR) {
			return &os.PathError{Op: "allocate", Path: file.Name(), Err: err}
		}
	}
	return file.Truncate(size)
}
