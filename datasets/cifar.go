package datasets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/goclr/goclr/pipeline"
)

// CIFAR images are 32x32 pixels in three planes.
const (
	cifarSide   = 32
	cifarPixels = 3 * cifarSide * cifarSide
)

// A cifarLayout is one of the two published binary forms, https://www.cs.toronto.edu/~kriz/cifar.html: files of records,
// each some bytes of labels and the pixels.
type cifarLayout struct {
	name   string
	names  string              // the file with the names of the classes, one to a line
	labels int                 // bytes of labels before the pixels; the last one is the class
	splits map[string][]string // files of each split
}

var cifarLayouts = []cifarLayout{
	{"CIFAR-10", "batches.meta.txt", 1, map[string][]string{
		"train": {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
		"test":  {"test_batch.bin"},
	}},
	{"CIFAR-100", "fine_label_names.txt", 2, map[string][]string{"train": {"train.bin"}, "test": {"test.bin"}}},
}

func (l *cifarLayout) files() []string { return []string{l.splits["test"][0], l.names} }

// A cifar is a Dataset of raw pixels held in memory, 150 MB for the training images; Read wraps them as PNG.
type cifar struct {
	split       string
	classes     []string
	records     []byte
	labels      int
	fingerprint string
}

func (l *cifarLayout) open(ctx context.Context, split string, open fileOpener, release func() error) (Dataset, error) {
	d, err := l.load(ctx, split, open)
	if err != nil {
		return nil, err
	}
	return d, release() // all of it is in memory
}

// load reads one split.
func (l *cifarLayout) load(ctx context.Context, split string, open fileOpener) (*cifar, error) {
	split, err := chooseSplit([]string{"test", "train"}, split)
	if err != nil {
		return nil, err
	}
	d := &cifar{split: split, labels: l.labels}
	if d.classes, err = readClassNames(ctx, open, l.names, l.name); err != nil {
		return nil, err
	}
	for _, name := range l.splits[split] {
		b, err := readWholeFile(ctx, open, name)
		if err != nil {
			return nil, missingFile(err, name, l.name)
		}
		if n := d.recordSize(); len(b) == 0 || len(b)%n != 0 {
			return nil, fmt.Errorf("%s is truncated: %d bytes are not a multiple of %d; fetch the binary version of %s "+
				"again", name, len(b), n, l.name)
		}
		d.records = append(d.records, b...)
	}
	for i := range d.Len() {
		if int(d.label(i)) >= len(d.classes) {
			return nil, fmt.Errorf("image %d has class %d of %d: no %s archive, or a damaged one; fetch it again",
				i, d.label(i), len(d.classes), l.name)
		}
	}
	h := newDigest("cifar")
	h.list(d.classes)
	content := sha256.Sum256(d.records)
	h.text(hex.EncodeToString(content[:]))
	d.fingerprint = h.sum()
	return d, nil
}

func (d *cifar) recordSize() int     { return d.labels + cifarPixels }
func (d *cifar) Len() int            { return len(d.records) / d.recordSize() }
func (d *cifar) Classes() []string   { return d.classes }
func (d *cifar) Fingerprint() string { return d.fingerprint }
func (d *cifar) Close() error        { d.records = nil; return nil }

func (d *cifar) label(i int) byte { return d.records[i*d.recordSize()+d.labels-1] }

// describe implements describer.
func (d *cifar) describe(i int, s *pipeline.Sample) error {
	s.Label = int32(d.label(i))
	s.Key = d.split + "/" + d.classes[s.Label] + "/" + strconv.Itoa(i) + ".png"
	return nil
}

func (d *cifar) Read(_ context.Context, i int, s *pipeline.Sample) error {
	if err := d.describe(i, s); err != nil {
		return err
	}
	at := i*d.recordSize() + d.labels
	s.Bytes = appendPNG(s.Buffer(4096)[:0], d.records[at:at+cifarPixels], cifarSide)
	return nil
}
