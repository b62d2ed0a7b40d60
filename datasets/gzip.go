package datasets

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
)

// unpack writes what a compressed object holds into a file without a name: gzip has no random access, and the system's page cache keeps what
// fits into memory.
func unpack(ctx context.Context, packed Object, tempDir string) (Object, error) {
	out, err := createUnnamed(tempDir)
	if err != nil {
		return nil, err
	}
	w := &destination{w: out}
	if err := gunzip(ctx, w, newSectionReader(ctx, packed)); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return &localObject{out, w.n}, nil
}

func gunzip(ctx context.Context, w *destination, in io.Reader) error {
	z, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("no gzip archive (%w); fetch it again, or name a plain archive .tar", err)
	}
	for err == nil {
		if err = ctx.Err(); err == nil {
			_, err = io.CopyN(w, z, 4<<20)
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case w.err != nil:
		return fmt.Errorf("unpack after %d bytes: %w; name a folder with more room by TMPDIR, or by -temp where there is that flag", w.n, w.err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the archive is truncated: it unpacks to %d bytes and then ends early; fetch it again", w.n)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return fmt.Errorf("the archive is damaged after %d unpacked bytes (%w); fetch it again", w.n, err)
}

// destination tells errors of writing from those of reading.
type destination struct {
	w   io.Writer
	n   int64
	err error
}

func (d *destination) Write(b []byte) (int, error) {
	n, err := d.w.Write(b)
	d.n += int64(n)
	d.err = err
	return n, err
}
