package datasets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"

	"github.com/goclr/goclr/pipeline"
)

// STL-10 images are 96x96 pixels in three planes, each column by column.
const (
	stlSide   = 96
	stlPixels = 3 * stlSide * stlSide
	stlNames  = "class_names.txt"
)

// stl10 is the binary form of STL-10, https://cs.stanford.edu/~acoates/stl10: a file of pixels for each split and one of
// labels, from 1 on, which the unlabelled images do not have.
type stl10 struct{}

func (stl10) files() []string { return []string{"test_X.bin", stlNames} }

// stlSplits are the splits, and the parts that each has.
var stlSplits = []struct {
	name  string
	parts []string
}{
	{"test", []string{"test"}},
	{"train", []string{"train"}},
	{"train+unlabeled", []string{"train", "unlabeled"}},
	{"unlabeled", []string{"unlabeled"}},
}

// An stl is a Dataset of raw pixels, 2.7 GB of them in the unlabelled images: Read fetches those of an image and wraps them as PNG.
type stl struct {
	classes     []string
	parts       []stlPart
	fingerprint string
	release     func() error
}

// An stlPart is the images of one file.
type stlPart struct {
	name   string
	pixels Object
	labels []byte // nil: none
	images int
}

func (stl10) open(ctx context.Context, split string, open fileOpener, release func() error) (_ Dataset, err error) {
	d := &stl{}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	var names []string
	for _, s := range stlSplits {
		names = append(names, s.name)
	}
	if split, err = chooseSplit(names, split); err != nil {
		return nil, err
	}
	if d.classes, err = readClassNames(ctx, open, stlNames, "STL-10"); err != nil {
		return nil, err
	}
	h := newDigest("stl10")
	h.list(d.classes)
	for _, name := range stlSplits[slices.Index(names, split)].parts {
		p, err := openSTLPart(ctx, open, name, len(d.classes))
		if err != nil {
			return nil, err
		}
		d.parts = append(d.parts, p)
		h.text(name)
		h.number(uint64(p.images))
		h.bytes(p.labels)
	}
	d.fingerprint = h.sum()
	d.release = release
	return d, nil
}

func openSTLPart(ctx context.Context, open fileOpener, name string, classes int) (stlPart, error) {
	file := name + "_X.bin"
	pixels, err := open(ctx, file)
	if err != nil {
		return stlPart{}, missingFile(err, file, "STL-10")
	}
	p := stlPart{name: name, pixels: pixels, images: int(pixels.Size() / stlPixels)}
	if pixels.Size()%stlPixels != 0 || p.images == 0 {
		err = fmt.Errorf("%s is truncated: %d bytes are not a multiple of %d; fetch STL-10 again", file, pixels.Size(), stlPixels)
	} else {
		p.labels, err = readSTLLabels(ctx, open, p, classes)
	}
	if err != nil {
		return stlPart{}, errors.Join(err, pixels.Close())
	}
	return p, nil
}

// readSTLLabels returns the labels of a part, from 1 on; nil where it has none.
func readSTLLabels(ctx context.Context, open fileOpener, p stlPart, classes int) ([]byte, error) {
	file := p.name + "_y.bin"
	labels, err := readWholeFile(ctx, open, file)
	switch {
	case p.name == "unlabeled" && errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, missingFile(err, file, "STL-10")
	case len(labels) != p.images:
		return nil, fmt.Errorf("%s has %d labels for %d images; fetch STL-10 again", file, len(labels), p.images)
	}
	for i, label := range labels {
		if label < 1 || int(label) > classes {
			return nil, fmt.Errorf("%s: image %d has class %d of 1 to %d; fetch STL-10 again", file, i, label, classes)
		}
	}
	return labels, nil
}

func (d *stl) Len() int {
	n := 0
	for _, p := range d.parts {
		n += p.images
	}
	return n
}

func (d *stl) Classes() []string   { return d.classes }
func (d *stl) Fingerprint() string { return d.fingerprint }

func (d *stl) Close() error {
	var errs []error
	for _, p := range d.parts {
		errs = append(errs, p.pixels.Close())
	}
	if d.release != nil {
		errs = append(errs, d.release())
	}
	return errors.Join(errs...)
}

// find returns the part that has image i, and the image's number there.
func (d *stl) find(i int) (*stlPart, int) {
	k := 0
	for ; i >= d.parts[k].images; k++ {
		i -= d.parts[k].images
	}
	return &d.parts[k], i
}

// describe implements describer.
func (d *stl) describe(i int, s *pipeline.Sample) error {
	p, i := d.find(i)
	s.Label, s.Key = -1, p.name+"/"
	if p.labels != nil {
		s.Label = int32(p.labels[i]) - 1
		s.Key += d.classes[s.Label] + "/"
	}
	s.Key += strconv.Itoa(i) + ".png"
	return nil
}

func (d *stl) Read(ctx context.Context, i int, s *pipeline.Sample) error {
	if err := d.describe(i, s); err != nil {
		return err
	}
	p, i := d.find(i)
	planes := s.Scratch(stlPixels)
	if n, err := p.pixels.ReadAt(ctx, planes, int64(i)*stlPixels); n < len(planes) {
		return fmt.Errorf("read %s_X.bin at byte %d: %w", p.name, int64(i)*stlPixels, err)
	}
	for at := 0; at < stlPixels; at += stlSide * stlSide {
		transpose(planes[at:][:stlSide*stlSide], stlSide)
	}
	s.Bytes = appendPNG(s.Buffer(stlPixels + 1024)[:0], planes, stlSide)
	return nil
}

// transpose swaps the rows and the columns of a plane of n by n pixels.
func transpose(plane []byte, n int) {
	for y := range n {
		for x := range y {
			plane[y*n+x], plane[x*n+y] = plane[x*n+y], plane[y*n+x]
		}
	}
}
