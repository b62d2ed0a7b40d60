package datasets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// spoolMemory is how much of a spool stays in memory before it moves to a file: what a hundred thousand images need.
const spoolMemory = 16 << 20

// A spool is bytes that are appended, then sealed, then read at random. What does not fit into a little memory goes to a file without a
// name, mapped into memory when it is sealed, so that the system may drop pages of it.
type spool struct {
	tempDir string
	limit   int // of pending, before it goes to the file
	pending []byte
	file    *os.File
	size    int64  // bytes in file
	sealed  []byte // all of it, after seal
}

func newSpool(tempDir string) *spool { return &spool{tempDir: tempDir, limit: spoolMemory} }

// len is the number of bytes appended.
func (s *spool) len() int64 { return s.size + int64(len(s.pending)) }

// append adds bytes behind those that are there.
func (s *spool) append(b ...byte) error {
	s.pending = append(s.pending, b...)
	if len(s.pending) < s.limit {
		return nil
	}
	return s.flush()
}

// flush moves what is pending to the file.
func (s *spool) flush() error {
	if s.file == nil {
		f, err := createUnnamed(s.tempDir)
		if err != nil {
			return err
		}
		s.file = f
	}
	n, err := s.file.Write(s.pending)
	s.size += int64(n)
	s.pending = s.pending[:0]
	if err != nil {
		return noTempSpace(err)
	}
	return nil
}

// seal ends the appending and makes all bytes readable.
func (s *spool) seal() error {
	if s.file == nil {
		s.sealed = s.pending
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.pending = nil
	b, err := unix.Mmap(int(s.file.Fd()), 0, int(s.size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map a temporary file of %d bytes into memory: %w", s.size, err)
	}
	s.sealed = b
	return nil
}

// close releases the file. Nothing that was read may be used afterwards.
func (s *spool) close() error {
	if s.file == nil {
		return nil
	}
	var err error
	if s.sealed != nil {
		err = unix.Munmap(s.sealed)
	}
	err = errors.Join(err, s.file.Close())
	s.file, s.sealed, s.pending = nil, nil, nil
	return err
}

// A spoolObject is the bytes of a spool, which is sealed, and closed with the Object.
type spoolObject struct{ s *spool }

func (o *spoolObject) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if offset < 0 || offset > o.Size() {
		return 0, fmt.Errorf("offset %d of %d bytes", offset, o.Size())
	}
	n := copy(p, o.s.sealed[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (o *spoolObject) Size() int64  { return o.s.len() }
func (o *spoolObject) Close() error { return o.s.close() }

// createUnnamed makes a temporary file that goes when it is closed, however the program ends.
func createUnnamed(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "goclr-*")
	if err != nil {
		return nil, noTempSpace(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// A tempSpaceError is one of a temporary file, and says how to choose another place for them.
type tempSpaceError struct{ err error }

func (e *tempSpaceError) Error() string {
	return fmt.Sprintf("a temporary file: %v; name a folder with more room by TMPDIR, or by -temp where there is that flag", e.err)
}

func (e *tempSpaceError) Unwrap() error { return e.err }

func noTempSpace(err error) error { return &tempSpaceError{err} }
