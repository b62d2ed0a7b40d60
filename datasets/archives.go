package datasets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"
)

// openArchives opens tar archives, objects of a bucket that the Dataset owns then, as if each was unpacked where it lies. Only headers are read now; an
// image is one read later.
func openArchives(ctx context.Context, b Bucket, names []string, split string, o Options) (Dataset, error) {
	a := newArchives(b, o)
	for _, name := range names {
		if err := a.open(ctx, name, o); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, tooManyOpen(err)), a.close())
		}
	}
	return a.finish(ctx, split)
}

// openTar opens one tar archive, an object of a bucket; it owns both. The name is for messages.
func openTar(ctx context.Context, b Bucket, archive Object, name, split string, o Options) (Dataset, error) {
	a := newArchives(b, o)
	err := a.scan(ctx, archive, ".", name)
	if err == nil {
		var d Dataset
		if d, err = a.finish(ctx, split); err == nil {
			return d, nil
		}
	} else {
		err = errors.Join(err, a.close())
	}
	return nil, errors.Join(fmt.Errorf("%s: %w", name, err), b.Close())
}

// archives collects the members of tar archives.
type archives struct {
	*gatherer
	labels  *webDataset
	bucket  Bucket
	objects []Object
	// places has the first files that are no images, among which those of a published set would be.
	places map[string]member
}

func newArchives(b Bucket, o Options) *archives {
	g := newGatherer(o.TempDir)
	return &archives{gatherer: g, labels: newWebDataset(g.list), bucket: b, places: map[string]member{}}
}

// open opens and scans one of several archives.
func (a *archives) open(ctx context.Context, name string, o Options) error {
	archive, kind, err := openUnpacked(ctx, a.bucket, name, o)
	if err != nil {
		return err
	}
	if kind != kindTar {
		return errors.Join(errors.New("it is no tar archive, as the others are meant to be: move it away, or name the archives by a pattern"), archive.Close())
	}
	return a.scan(ctx, archive, path.Dir(name), name)
}

// scan lists the members of an archive that lies in a folder of the bucket. It owns the archive then.
func (a *archives) scan(ctx context.Context, archive Object, folder, name string) error {
	number := a.list.object(name)
	a.objects = append(a.objects, archive)
	split := path.Base(folder)
	if folder == "." {
		split = ""
	}
	reading := readAhead(archive)
	err := listTar(ctx, reading, func(m member) error {
		if isHidden(m.key) {
			return nil
		}
		inArchive := m.key
		m.key, m.object, m.split = path.Join(folder, m.key), number, split
		image, err := a.sniffer.isImage(m.key, func() ([]byte, error) { return headOf(ctx, reading, m.offset, m.size) })
		switch {
		case err != nil:
			return err
		case image:
			return a.labels.image(m)
		case m.size <= mostLabel(extension(m.key)):
			err = a.label(ctx, reading, m)
		}
		if a.others.add(m.key); len(a.places) < mostOthers {
			a.places[inArchive] = m
		}
		return err
	})
	if err == nil {
		err = a.labels.flush()
	}
	return err
}

// label reads a file that may tell a class.
func (a *archives) label(ctx context.Context, archive Object, m member) error {
	content := make([]byte, m.size)
	if n, err := archive.ReadAt(ctx, content, m.offset); n < len(content) {
		return fmt.Errorf("read %s: %w", m.key, err)
	}
	return a.labels.label(m, content)
}

// finish makes the Dataset of a split. Where there is an error, the bucket is the caller's.
func (a *archives) finish(ctx context.Context, split string) (Dataset, error) {
	if set, dir := findPublished(a.others.first); set != nil && len(a.objects) == 1 {
		d, err := set.open(ctx, split, a.opener(dir), func() error { return errors.Join(a.closeObjects(), a.bucket.Close()) })
		if err != nil {
			return nil, errors.Join(err, a.close())
		}
		return d, a.list.close()
	}
	if err := a.labels.finish(); err != nil {
		return nil, errors.Join(err, a.close())
	}
	x, err := a.gatherer.finish(ctx, split)
	if err != nil {
		return nil, errors.Join(err, a.closeObjects())
	}
	return &collection{bucket: a.bucket, objects: a.objects, listing: x}, nil
}

// opener opens the files of a published set that lie in a folder of the archive.
func (a *archives) opener(dir string) fileOpener {
	return func(_ context.Context, name string) (Object, error) {
		m, ok := a.places[path.Join(dir, name)]
		if !ok {
			return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
		return &partObject{a.objects[0], m.offset, m.size}, nil
	}
}

func (a *archives) close() error { return errors.Join(a.list.close(), a.closeObjects()) }

func (a *archives) closeObjects() error {
	var errs []error
	for _, o := range a.objects {
		errs = append(errs, o.Close())
	}
	return errors.Join(errs...)
}

// openUnpacked opens an object of a bucket, or what it unpacks to if it is compressed, and tells the kind of that.
func openUnpacked(ctx context.Context, b Bucket, name string, o Options) (Object, kind, error) {
	object, err := b.Open(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	kind, err := kindOfObject(ctx, object, name)
	if err == nil && kind.isPacked() {
		unpacked, failed := unpack(ctx, object, kind, o.TempDir)
		if err := errors.Join(failed, object.Close()); err != nil {
			return nil, 0, err
		}
		object = unpacked
		kind, err = kindOfObject(ctx, object, unpackedName(name))
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

// tooManyOpen says what to do when there are more archives than files that the system lets a process have open.
func tooManyOpen(err error) error {
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		return fmt.Errorf("%w: each archive stays open; allow more by ulimit -n, or join archives into larger ones", err)
	}
	return err
}
