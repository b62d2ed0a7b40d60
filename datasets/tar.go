package datasets

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/goclr/goclr/pipeline"
)

// A tarball is a Dataset in an uncompressed archive, in the order of the archive. Only headers are read when it is opened;
// an image is one ReadAt.
type tarball struct {
	f *os.File
	*index
}

func openTar(ctx context.Context, name, split string) (Dataset, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open dataset: %w", err)
	}
	return newTarball(ctx, f, name, split)
}

// newTarball indexes f, which it owns. The name is for messages.
func newTarball(ctx context.Context, f *os.File, name, split string) (Dataset, error) {
	d, err := indexTarball(ctx, f, split)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

func indexTarball(ctx context.Context, f *os.File, split string) (Dataset, error) {
	files, err := listTar(ctx, f)
	if err != nil {
		return nil, err
	}
	if layout, dir := findCIFAR(files); layout != nil {
		defer f.Close() // all of it is in memory then
		return openCIFAR(ctx, layout, split, readFromTar(f, files, dir))
	}
	x, err := newIndex(files, split)
	if err != nil {
		return nil, err
	}
	return &tarball{f, x}, nil
}

// listTar returns the regular files of an archive and makes sure that it is whole: the end marker is there.
func listTar(ctx context.Context, f *os.File) ([]file, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if size == 0 {
		return nil, errors.New("the archive is empty (0 bytes)")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	var files []file
	end, last := int64(0), "its start" // where the last member ends, and its name
	for r := tar.NewReader(f); ; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, truncated(size, last)
		}
		if err != nil {
			return nil, fmt.Errorf("no valid tar header at byte %d, after %s (%w); fetch or write the archive again",
				end, last, err)
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		end, last = at, h.Name
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if isSparse(h) {
			return nil, fmt.Errorf("member %s is stored sparse; write the archive without --sparse", h.Name)
		}
		end = at + (h.Size+511)/512*512
		if end > size {
			return nil, truncated(size, h.Name)
		}
		files = append(files, file{name: strings.TrimPrefix(path.Clean("/"+h.Name), "/"), offset: at, size: h.Size})
	}
	var marker [512]byte // zeros
	if _, err := f.ReadAt(marker[:], end); err == io.EOF || err == nil && marker != [512]byte{} {
		return nil, truncated(size, last)
	} else if err != nil {
		return nil, err
	}
	return files, nil
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

func (d *tarball) Len() int            { return len(d.files) }
func (d *tarball) Classes() []string   { return d.classes }
func (d *tarball) Fingerprint() string { return d.fingerprint() }
func (d *tarball) Close() error        { return d.f.Close() }

func (d *tarball) Read(_ context.Context, i int, s *pipeline.Sample) error {
	if err := d.describe(i, s); err != nil {
		return err
	}
	e := &d.files[i]
	if e.size > MaxImageBytes {
		return tooLarge(e.name, e.size)
	}
	b := s.Buffer(int(e.size))
	if _, err := d.f.ReadAt(b, e.offset); err != nil {
		return fmt.Errorf("read %s at byte %d of the archive: %w", e.name, e.offset, err)
	}
	s.Bytes = b
	return nil
}
