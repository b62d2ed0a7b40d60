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
	if err := a.scanAll(ctx, names, o); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a.finish(ctx, split)
}

// openTar opens one tar archive, an object of a bucket; it owns both. The name is for messages.
func openTar(ctx context.Context, b Bucket, archive Object, name, split string, o Options) (Dataset, error) {
	a := newArchives(b, o)
	err := scanTar(ctx, archive, func(f archived) error { return a.take(f, ".") })
	a.objects = append(a.objects, archive)
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
	names   []string // of the objects, where there are several
	// places has the first files that are no images, among which those of a published set would be.
	places map[string]member
}

func newArchives(b Bucket, o Options) *archives {
	g := newGatherer(o)
	return &archives{gatherer: g, labels: newWebDataset(g.list), bucket: b, places: map[string]member{}}
}

// take lists a file of the next of the objects, which lies in a folder of the bucket.
func (a *archives) take(f archived, folder string) error {
	m := f.member
	m.key, m.object = path.Join(folder, m.key), len(a.objects)
	if folder != "." {
		m.split = path.Base(folder)
	}
	if f.image {
		return a.labels.image(m)
	}
	if a.others.add(m.key); len(a.places) < mostOthers {
		a.places[m.key] = m
	}
	if f.class == "" && f.err == nil {
		return nil
	}
	return a.labels.label(m, f.class, f.err)
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
	if len(a.objects) > 1 {
		if err := x.tellApart(ctx, a.names); err != nil {
			return nil, errors.Join(err, x.close(), a.closeObjects())
		}
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

// tooManyOpen says what to do when there are more archives than files that the system lets a process have open.
func tooManyOpen(err error) error {
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		return fmt.Errorf("%w: each archive stays open; allow more by ulimit -n, or join archives into larger ones", err)
	}
	return err
}
