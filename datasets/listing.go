package datasets

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/goclr/goclr/pipeline"
)

// A member is one image of a dataset: its name, and where its bytes lie.
type member struct {
	key          string // name in the dataset, slash-separated
	class        string // "": none
	split        string // "": none
	object       int    // number of the object that it lies in, of those of the dataset
	offset, size int64  // of its bytes there; or one of those below
}

// Offsets of members that have no bytes.
const (
	notStored = -1 // left out, see Options.keep
	noBytes   = -2 // there are none
)

// A lister collects the members of a dataset, of which there may be more than fit into memory.
type lister struct {
	keys    *spool
	records *spool // recordBytes for each member
	classes numbering
	splits  numbering
	// byFolder has the classes and splits of members told from their keys, see placement.
	byFolder bool
	// numeric has classes that are numbers be labels: class 7 is label 7.
	numeric bool
	meter   *openMeter
}

func newLister(o Options) *lister {
	return &lister{keys: newSpool(o.TempDir), records: newSpool(o.TempDir), meter: o.meter}
}

// A numbering gives names numbers in the order in which they come.
type numbering struct {
	numbers map[string]uint32
	names   []string
}

func (n *numbering) number(name string) uint32 {
	k, ok := n.numbers[name]
	if !ok {
		if n.numbers == nil {
			n.numbers = map[string]uint32{}
		}
		k = uint32(len(n.names))
		n.numbers[name] = k
		n.names = append(n.names, name)
	}
	return k
}

// A record is the end of a key among all keys, offset, size, object, class and split, little-endian.
const recordBytes = 8 + 8 + 8 + 4 + 4 + 4

// add appends a member.
func (l *lister) add(m member) error {
	if err := l.class(m.class, m.key); err != nil {
		return err
	}
	if err := l.keys.append([]byte(m.key)...); err != nil {
		return err
	}
	var r [recordBytes]byte
	binary.LittleEndian.PutUint64(r[0:], uint64(l.keys.len()))
	binary.LittleEndian.PutUint64(r[8:], uint64(m.offset))
	binary.LittleEndian.PutUint64(r[16:], uint64(m.size))
	binary.LittleEndian.PutUint32(r[24:], uint32(m.object))
	binary.LittleEndian.PutUint32(r[28:], l.classes.number(m.class))
	binary.LittleEndian.PutUint32(r[32:], l.splits.number(m.split))
	if err := l.records.append(r[:]...); err != nil {
		return err
	}
	if (l.records.len()/recordBytes)%listedAtOnce == 0 {
		l.meter.add(listedAtOnce, 0)
	}
	return nil
}

// class notes that there is a class, if only in a split that is not listed. The key is that of an image of it.
func (l *lister) class(name, key string) error {
	if !utf8.ValidString(name) {
		return notUTF8(key)
	}
	l.classes.number(name)
	return nil
}

func notUTF8(key string) error {
	return fmt.Errorf("the class of %q is not UTF-8: rename it", key)
}

// close releases what was collected.
func (l *lister) close() error { return errors.Join(l.keys.close(), l.records.close()) }

// A listing is the members of one split, in the order in which they were added, with their labels. Labels number the sorted classes of
// all splits.
type listing struct {
	keys, records *spool
	names         []string         // of classes, by their numbers in records
	labels        map[string]int32 // of classes
	classes       []string         // by label
	place         func(key string) (split, class string)
	chosen        []uint32 // members of the split, where there are others; nil: all
	all           int      // members of all splits
	fingerprint   func() string
	archives      []archiveKey // by object, where names alone would not tell images apart
}

// finish makes the listing of a split, which may be "" where there is only one. The lister must not be used afterwards, and what it
// collected is released if that fails.
func (l *lister) finish(ctx context.Context, split string) (_ *listing, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if err := errors.Join(l.keys.seal(), l.records.seal()); err != nil {
		return nil, err
	}
	x := &listing{keys: l.keys, records: l.records, names: l.classes.names, all: int(l.records.len() / recordBytes)}
	x.fingerprint = sync.OnceValue(x.digest)
	if x.all == 0 {
		return nil, errNoImages
	}
	classes, splits := set(l.classes.names), set(l.splits.names)
	if l.byFolder {
		if x.place, classes, splits, err = x.placement(ctx); err != nil {
			return nil, err
		}
	}
	delete(classes, "")
	if x.classes, err = sortClasses(classes, l.numeric); err != nil {
		return nil, err
	}
	x.labels = make(map[string]int32, len(x.classes))
	for label, class := range x.classes {
		x.labels[class] = int32(label)
	}
	if split, err = chooseSplit(slices.Sorted(maps.Keys(splits)), split); err != nil {
		return nil, err
	}
	if len(splits) > 1 {
		x.chosen, err = x.choose(ctx, l.splits, split)
	}
	return x, err
}

var errNoImages = errors.New("no images: it holds no files")

func set(names []string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}

// mostNumeric bounds the labels of numbers, so that one wrong number makes no million classes.
const mostNumeric = 1 << 20

// sortClasses returns names in the order of their labels. Numbers are labels themselves where that is asked for: the classes 0 to the
// largest.
func sortClasses(classes map[string]bool, numeric bool) ([]string, error) {
	most := -1
	for class := range classes {
		n, err := strconv.Atoi(class)
		if !numeric || err != nil || n < 0 || strconv.Itoa(n) != class {
			return slices.Sorted(maps.Keys(classes)), nil
		}
		most = max(most, n)
	}
	if most >= mostNumeric {
		return nil, fmt.Errorf("a label is %d: labels are at most %d", most, mostNumeric-1)
	}
	var names []string
	for n := range most + 1 {
		names = append(names, strconv.Itoa(n))
	}
	return names, nil
}

// placement finds out how keys tell splits and classes, by all of them: see placeEven and placeUneven.
func (x *listing) placement(ctx context.Context) (place func(string) (split, class string), classes, splits map[string]bool, err error) {
	place = placeEven
	depth := depthOf(x.key(0))
	for i := range x.all {
		if depthOf(x.key(i)) != depth {
			place = placeUneven
			break
		}
	}
	classes, splits = map[string]bool{}, map[string]bool{}
	for i := range x.all {
		if err := ctx.Err(); err != nil {
			return nil, nil, nil, err
		}
		key := x.key(i)
		split, class := place(key)
		if !utf8.ValidString(class) {
			return nil, nil, nil, notUTF8(key)
		}
		splits[split], classes[class] = true, true
	}
	return place, classes, splits, nil
}

// choose returns the members of a split.
func (x *listing) choose(ctx context.Context, splits numbering, split string) ([]uint32, error) {
	chosen := []uint32{}
	for i := range x.all {
		if i%1000 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var s string
		if x.place != nil {
			s, _ = x.place(x.key(i))
		} else {
			s = splits.names[binary.LittleEndian.Uint32(x.record(i)[32:])]
		}
		if s == split {
			chosen = append(chosen, uint32(i))
		}
	}
	return chosen, nil
}

func (x *listing) record(i int) []byte { return x.records.sealed[i*recordBytes:][:recordBytes] }

// key is that of a member of any split.
func (x *listing) key(i int) string {
	from := uint64(0)
	if i > 0 {
		from = binary.LittleEndian.Uint64(x.record(i - 1))
	}
	return string(x.keys.sealed[from:binary.LittleEndian.Uint64(x.record(i))])
}

// at returns member i of the split; its class is told by its label.
func (x *listing) at(i int) (m member, label int32) {
	if x.chosen != nil {
		i = int(x.chosen[i])
	}
	r := x.record(i)
	m = member{
		key:    x.key(i),
		offset: int64(binary.LittleEndian.Uint64(r[8:])),
		size:   int64(binary.LittleEndian.Uint64(r[16:])),
		object: int(x.object(i)),
		class:  x.names[binary.LittleEndian.Uint32(r[28:])],
	}
	if x.place != nil {
		_, m.class = x.place(m.key)
	}
	label, found := x.labels[m.class]
	if !found {
		label = -1
	}
	return m, label
}

// The parts of a Dataset that a listing has.

func (x *listing) Len() int {
	if x.chosen != nil {
		return len(x.chosen)
	}
	return x.all
}

func (x *listing) Classes() []string   { return x.classes }
func (x *listing) Fingerprint() string { return x.fingerprint() }

// describe implements describer.
func (x *listing) describe(i int, s *pipeline.Sample) error {
	m, label := x.at(i)
	s.Key, s.Label = x.sampleKey(m), label
	return nil
}

// sampleKey is the key that an image has for all outside.
func (x *listing) sampleKey(m member) string {
	name := m.key
	if x.archives != nil {
		name = x.archives[m.object].key(name)
	}
	return sampleKeyOf(name)
}

// storedSize returns the bytes of image i as it is encoded; false where only reading it tells, or it cannot be read.
func (x *listing) storedSize(i int) (int64, bool) {
	m, _ := x.at(i)
	return m.size, m.offset >= 0 && m.size > 0 && m.size <= MaxImageBytes
}

// digest names the content by classes, names, labels and sizes.
func (x *listing) digest() string {
	d := newDigest("index")
	d.list(x.classes)
	for i := range x.Len() {
		m, label := x.at(i)
		d.text(x.sampleKey(m))
		d.number(uint64(m.size))
		d.number(uint64(int64(label)))
	}
	return d.sum()
}

func (x *listing) close() error { return errors.Join(x.keys.close(), x.records.close()) }
