package cache

import (
	"os"

	"golang.org/x/sys/unix"
)

// allocate makes an empty file as large as size, on the disk too where the file system can: then a disk that is full says so now.
func allocate(file *os.File, size int64) error {
	if size == 0 {
		return nil
	}
	switch err := unix.Fallocate(int(file.Fd()), 0, 0, size); err {
	case nil:
		return nil
	case unix.EOPNOTSUPP, unix.ENOSYS, unix.EINTR:
		return file.Truncate(size)
	default:
		return &os.PathError{Op: "allocate", Path: file.Name(), Err: err}
	}
}
