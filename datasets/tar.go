package datasets

import (
	"archive/tar"
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
	var marker [512]byte // zeros
	if _, err := f.ReadAt(marker[:], end); errors.Is(err, io.EOF) || err == nil && marker != [512]byte{} {
		return truncated(size, last)
	} else if err != nil {
		return err
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
