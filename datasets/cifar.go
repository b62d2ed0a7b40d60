package datasets

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goclr/goclr/pipeline"
)

// CIFAR images are 32x32 pixels in three planes.
const (
	cifarSide   = 32
	cifarPixels = 3 * cifarSide * cifarSide
	mostCIFAR   = 1 << 30 // bytes, more than any of its files has
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

// findCIFAR tells whether files are those of a CIFAR archive. Its folder is returned with it.
func findCIFAR(files []string) (layout *cifarLayout, dir string) {
	for i := range cifarLayouts {
		l := &cifarLayouts[i]
		for _, f := range files {
			if path.Base(f) == l.splits["test"][0] {
				dir := path.Dir(f)
				if slices.Contains(files, path.Join(dir, l.names)) {
					return l, dir
				}
			}
		}
	}
	return nil, ""
}

// A cifar is a Dataset of raw pixels held in memory, 150 MB for the training images; Read wraps them as PNG.
type cifar struct {
	split       string
	classes     []string
	records     []byte
	labels      int
	fingerprint string
}

// openCIFAR reads one split. The function read returns a file of the archive's folder.
func openCIFAR(ctx context.Context, l *cifarLayout, split string, read func(name string) ([]byte, error)) (Dataset, error) {
	split, err := chooseSplit([]string{"test", "train"}, split)
	if err != nil {
		return nil, err
	}
	d := &cifar{split: split, labels: l.labels}
	if d.classes, err = readCIFARNames(l, read); err != nil {
		return nil, err
	}
	for _, name := range l.splits[split] {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b, err := read(name)
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s is missing; fetch the binary version of %s again", name, l.name)
		}
		if err != nil {
			return nil, err
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

func readCIFARNames(l *cifarLayout, read func(string) ([]byte, error)) ([]string, error) {
	b, err := read(l.names)
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range bytes.Lines(b) {
		if name := strings.TrimSpace(string(line)); name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 || !slices.IsSorted(names) || !utf8.Valid(b) {
		return nil, fmt.Errorf("%s does not hold the sorted names of the classes; fetch %s again", l.names, l.name)
	}
	return names, nil
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
