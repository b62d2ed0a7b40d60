package datasets

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// mostWindow bounds the memory that a zstd stream asks for: what zstd itself unpacks without being told that it may take more.
const mostWindow = 128 << 20

// openUnpacked opens an object of a bucket, or what it unpacks to if it is compressed, and tells the kind of that. Of an archive in a store it
// opens a copy.
func openUnpacked(ctx context.Context, b Bucket, name string, o Options) (Object, kind, error) {
	object, err := b.Open(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	kind, err := kindOfObject(ctx, object, name)
	if err == nil && kind.isPacked() {
		unpacked, failed := unpack(ctx, object, kind, o)
		if err := errors.Join(failed, object.Close()); err != nil {
			return nil, 0, err
		}
		object = unpacked
		kind, err = kindOfObject(ctx, object, unpackedName(name))
	} else if _, local := b.(localBucket); err == nil && !local && kind == kindTar {
		object, err = nearby(ctx, object, o)
	}
	if err != nil {
		return nil, 0, errors.Join(err, object.Close())
	}
	return object, kind, nil
}

func kindOfObject(ctx context.Context, o Object, name string) (kind, error) {
	var head [headBytes]byte
	n, err := o.ReadAt(ctx, head[:], 0)
	return kindOf(head[:n], name), ignoreEnd(err)
}

// unpack writes what a compressed object holds into a file without a name: neither gzip nor zstd has random access, and the system's page
// cache keeps what fits into memory.
func unpack(ctx context.Context, packed Object, format kind, o Options) (Object, error) {
	out, err := createUnnamed(o.TempDir)
	if err != nil {
		return nil, err
	}
	w := &destination{w: out, meter: o.meter}
	in := bufio.NewReaderSize(newSectionReader(ctx, packed), mostAhead)
	if err := decompress(ctx, w, in, format); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return &localObject{out, w.n}, nil
}

// decompress writes what is unpacked of in.
func decompress(ctx context.Context, w *destination, in io.Reader, format kind) error {
	z, err := newUnpacker(in, format)
	if err != nil {
		return notPacked(format, err)
	}
	defer z.Close()
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
	case w.n == 0 && errors.Is(err, zstd.ErrMagicMismatch):
		return notPacked(format, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the archive is truncated: it unpacks to %d bytes and then ends early; fetch it again", w.n)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return fmt.Errorf("after %d unpacked bytes the archive asks for more than %d MiB of memory (%w): pack it without --ultra and with --long=27 at most",
			w.n, mostWindow>>20, err)
	}
	return fmt.Errorf("the archive is damaged after %d unpacked bytes (%w); fetch it again", w.n, err)
}

func notPacked(format kind, err error) error {
	return fmt.Errorf("no %s archive (%w); fetch it again, or name a plain archive .tar", format, err)
}

// newUnpacker reads what is packed in one of the compressed formats, in the goroutine of its caller.
func newUnpacker(in io.Reader, format kind) (io.ReadCloser, error) {
	if format == kindGzip {
		return gzip.NewReader(in)
	}
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(mostWindow))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

// destination tells errors of writing from those of reading.
type destination struct {
	w     io.Writer
	n     int64
	err   error
	meter *openMeter
}

func (d *destination) Write(b []byte) (int, error) {
	n, err := d.w.Write(b)
	d.n += int64(n)
	d.meter.add(0, int64(n))
	d.err = err
	return n, err
}
