package datasets

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/sourcegraph/conc"
)

// An archived is a file in an archive.
type archived struct {
	member
	image bool
	class string // what it says of the images beside it; "": nothing
	err   error  // why that cannot be understood
}

// scanTar calls visit for the files of a tar archive, hidden ones left out.
func scanTar(ctx context.Context, archive Object, visit func(archived) error) error {
	reading := readAhead(archive)
	var s sniffer
	return listTar(ctx, reading, func(m member) (err error) {
		f := archived{member: m}
		if isHidden(m.key) {
			return nil
		}
		f.image, err = s.isImage(m.key, func() ([]byte, error) { return headOf(ctx, reading, m.offset, m.size) })
		if err != nil {
			return err
		}
		if ext := extension(m.key); !f.image && m.size <= mostLabel(ext) {
			content := make([]byte, m.size)
			if n, err := reading.ReadAt(ctx, content, m.offset); n < len(content) {
				return fmt.Errorf("read %s: %w", m.key, err)
			}
			f.class, f.err = parseLabel(ext, content)
		}
		return visit(f)
	})
}

// atOnce is how many archives are unpacked and scanned at the same time, and mostWaiting how many files of each wait to be listed.
const (
	atOnce      = 8
	mostWaiting = 1000
)

// A scan is an archive whose files are being found.
type scan struct {
	files  chan archived // closed at the end
	object Object        // nil: it could not be opened; both are known when files is closed
	err    error
}

// scanAll lists the files of several archives, in the order of their names, while those to come are scanned already.
func (a *archives) scanAll(ctx context.Context, names []string, o Options) (err error) {
	ctx, stop := context.WithCancel(ctx)
	var group conc.WaitGroup
	var scans []*scan // of the first names
	defer func() {
		stop()
		group.Wait()
		for _, s := range scans[len(a.objects):] {
			if s.object != nil {
				err = errors.Join(err, s.object.Close())
			}
		}
	}()
	for i, name := range names {
		for len(scans) < min(i+atOnce, len(names)) {
			s := &scan{files: make(chan archived, mostWaiting)}
			next := names[len(scans)]
			scans = append(scans, s)
			group.Go(func() {
				defer close(s.files)
				s.object, s.err = scanOne(ctx, a.bucket, next, s.files, o)
			})
		}
		if err := a.takeAll(scans[i], name); err != nil {
			return fmt.Errorf("%s: %w", name, tooManyOpen(err))
		}
	}
	return nil
}

// takeAll lists the files that a scan of an archive finds, and takes over its object if all went well.
func (a *archives) takeAll(s *scan, name string) error {
	for f := range s.files {
		if err := a.take(f, path.Dir(name)); err != nil {
			return err
		}
	}
	if s.err != nil {
		return s.err
	}
	a.objects, a.names = append(a.objects, s.object), append(a.names, name)
	return a.labels.flush()
}

// scanOne opens an archive and sends its files.
func scanOne(ctx context.Context, b Bucket, name string, files chan<- archived, o Options) (Object, error) {
	archive, kind, err := openUnpacked(ctx, b, name, o)
	if err != nil {
		return nil, err
	}
	if kind != kindTar {
		return archive, errors.New("it is no tar archive, as the others are: move it away, or name the archives by a pattern")
	}
	return archive, scanTar(ctx, archive, func(f archived) error {
		select {
		case files <- f:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}
