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
)

// openTar opens an uncompressed archive, an object of a bucket; it owns both. Only headers are read now; an image is one read later.
// The name is for messages.
func openTar(ctx context.Context, b Bucket, archive Object, name, split string, o Options) (Dataset, error) {
	d, err := indexTar(ctx, b, archive, name, split, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), archive.Close(), b.Close())
	}
	return d, nil
}

func indexTar(ctx context.Context, b Bucket, archive Object, name, split string, o Options) (Dataset, error) {
	l := newLister(o.TempDir)
	l.byFolder = true
	number := l.object(name)
	others := &otherFiles{kinds: map[string]int{}}
	places := map[string]member{} // of others
	err := listTar(ctx, archive, func(m member) error {
		m.object = number
		switch {
		case isHidden(m.key):
		case isImage(m.key):
			return l.add(m)
		default:
			if others.add(m.key); len(places) < mostOthers {
				places[m.key] = m
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	if layout, dir := findCIFAR(others.first); layout != nil {
		d, err := openCIFAR(ctx, layout, split, func(name string) ([]byte, error) { return readMember(ctx, archive, places, path.Join(dir, name)) })
		if err := errors.Join(err, l.close()); err != nil {
			return nil, err
		}
		return d, errors.Join(archive.Close(), b.Close()) // all of it is in memory
	}
	x, err := l.finish(ctx, split)
	if errors.Is(err, errNoImages) {
		err = others.explain()
	}
	if err != nil {
		return nil, err
	}
	return &collection{bucket: b, objects: []Object{archive}, listing: x}, nil
}

// readMember returns a small file of an archive.
func readMember(ctx context.Context, archive Object, places map[string]member, name string) ([]byte, error) {
	m, ok := places[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, os.ErrNotExist)
	}
	if m.size > mostCIFAR {
		return nil, fmt.Errorf("%s: %d bytes, more than any file of a published set", name, m.size)
	}
	b := make([]byte, m.size)
	_, err := archive.ReadAt(ctx, b, m.offset)
	return b, ignoreEnd(err)
}

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
		end = at + (h.Size+511)/512*512
		if end > size {
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
