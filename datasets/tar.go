package datasets

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// listTar calls visit for the regular files of an archive, and makes sure that it is whole: the end marker is there.
func listTar(ctx context.Context, archive Object, visit func(member) error) error {
	size := archive.Size()
	if size == 0 {
		return errors.New("the archive is empty (0 bytes)")
	}
	f := newSectionReader(ctx, archive)
	end, last := int64(0), "its start" // where the last member ends, and its name
	for r := tar.NewReader(f); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return truncated(size, last)
		}
		if err != nil {
			return fmt.Errorf("no valid tar header at byte %d, after %s (%w); fetch or write the archive again",
				end, last, err)
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		end, last = at, h.Name
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if isSparse(h) {
			return fmt.Errorf("member %s is stored sparse; write the archive without --sparse", h.Name)
		}
		if end = at + (h.Size+511)/512*512; h.Size > size || end > size {
			return truncated(size, h.Name)
		}
		if err := visit(member{key: strings.TrimPrefix(path.Clean("/"+h.Name), "/"), offset: at, size: h.Size}); err != nil {
			return err
		}
	}
	return checkTarEnd(ctx, f, end, size, last)
}

// checkTarEnd makes sure that an archive ends where its members do: with zeros, and nothing behind them. Readers of tar archives stop at the zeros, so
// members behind a hole of the disk, or of a second archive in the same file, would be lost without a word.
func checkTarEnd(ctx context.Context, f io.ReaderAt, end, size int64, last string) error {
	if size-end < 512 {
		return truncated(size, last)
	}
	block := make([]byte, 64<<10)
	for at := end; at < size; at += int64(len(block)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		block = block[:min(int64(len(block)), size-at)]
		if _, err := f.ReadAt(block, at); ignoreEnd(err) != nil {
			return err
		}
		i := bytes.IndexFunc(block, func(r rune) bool { return r != 0 })
		if i >= 0 && at == end && i < 512 {
			return truncated(size, last)
		}
		if i >= 0 {
			return fmt.Errorf("the archive ends at byte %d, after member %s, and yet it goes on at byte %d: a part of it was lost, and is zeros now, "+
				"or two archives are in one file; fetch or write it again", end, last, at+int64(i))
		}
	}
	return nil
}

func truncated(size int64, member string) error {
	return fmt.Errorf("the archive is truncated: it ends at byte %d, in or after member %s, without an end marker; "+
		"fetch or write it again", size, member)
}

func isSparse(h *tar.Header) bool {
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}
