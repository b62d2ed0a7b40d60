package datasets

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// openTarGz unpacks the archive into a file without a name and opens that as a plain one: gzip has no random access, and
// the system's page cache keeps what fits into memory.
func openTarGz(ctx context.Context, name, split, tempDir string) (Dataset, error) {
	in, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open dataset: %w", err)
	}
	defer in.Close()
	out, err := os.CreateTemp(tempDir, "goclr-*.tar")
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	if err := os.Remove(out.Name()); err != nil {
		out.Close()
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	if err := gunzip(ctx, out, in); err != nil {
		out.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return newTarball(ctx, out, name, split)
}

func gunzip(ctx context.Context, out io.Writer, in io.Reader) error {
	z, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("no gzip archive (%w); fetch it again, or name a plain archive .tar", err)
	}
	w := &destination{w: out}
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
