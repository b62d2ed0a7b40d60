package datasets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/goclr/goclr/pipeline"
)

// castagnoli is the polynomial of the crc32c column; processors have an instruction for it.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Columns of shardSchema.
const (
	columnID = iota
	columnLabel
	columnKey
	columnImage
	columnWidth
	columnHeight
	columnCRC
)

// shards is a Dataset in the format of FORMAT.md. The files are mapped into memory and images are not copied.
type shards struct {
	dir      string
	repair   string // what to do where one is damaged
	manifest *manifest
	maps     [][]byte
	batches  []placedBatch
}

// A placedBatch knows where its rows stand.
type placedBatch struct {
	batch
	first int // row of the data set
	shard int
	row   int // first row, counted within the shard
}

func openShards(ctx context.Context, dir, split string) (Dataset, error) {
	m, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	if err := m.checkWhole(dir, split); err != nil {
		return nil, err
	}
	return mapShards(ctx, dir, m)
}

// checkWhole makes sure that shards can be read as a dataset.
func (m *manifest) checkWhole(dir, split string) error {
	if split != "" {
		return fmt.Errorf("%s: shards have no splits: leave \"#%s\" out, and ingest each split into a folder of its own",
			dir, split)
	}
	if p := m.Part; p != nil {
		return fmt.Errorf("%s holds part %d of %d: put all parts together first, by ingest merge", dir, p.Index, p.Of)
	}
	return nil
}

// mapShards opens shards, which may be those of a part.
func mapShards(ctx context.Context, dir string, m *manifest) (*shards, error) {
	d := &shards{dir: dir, repair: fmt.Sprintf("run \"ingest verify %s\"", dir), manifest: m}
	for i := range m.Shards {
		if err := d.open(ctx, i); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	return d, nil
}

// open maps shard i and finds its batches.
func (d *shards) open(ctx context.Context, i int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	info := d.manifest.Shards[i]
	file, err := mapFile(filepath.Join(d.dir, info.File), info.Bytes)
	if err != nil {
		return fmt.Errorf("%w; copy it again, or run ingest again", err)
	}
	return d.add(i, file, d.rows())
}

// add takes shard i, whose first row is that row of the data set. The shards own its mapping then.
func (d *shards) add(i int, file []byte, first int) error {
	info := d.manifest.Shards[i]
	d.maps = append(d.maps, file)
	var batches []batch
	err := guardFault(func() (err error) { batches, err = parseShard(file); return err })
	if err != nil {
		return d.damaged(i, -1, err.Error())
	}
	row := 0
	for _, b := range batches {
		d.batches = append(d.batches, placedBatch{b, first + row, i, row})
		row += b.rows
	}
	if row != info.Rows {
		return d.damaged(i, -1, fmt.Sprintf("it has %d rows, the manifest says %d", row, info.Rows))
	}
	return nil
}

// forget gives back the memory that shard i takes, until it is read again.
func (d *shards) forget(i int) {
	_ = unix.Madvise(d.maps[i], unix.MADV_DONTNEED) // the pages are those of the file, so nothing is lost either way
}

// rows is the number of rows that are open.
func (d *shards) rows() int {
	if len(d.batches) == 0 {
		return 0
	}
	last := &d.batches[len(d.batches)-1]
	return last.first + last.rows
}

// mapFile maps a file of the given size into memory for reading.
func mapFile(name string, size int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != size {
		return nil, fmt.Errorf("%s has %d bytes, the manifest says %d", name, info.Size(), size)
	}
	return mapOpen(f.Fd(), name, size)
}

// mapOpen maps a file that is open into memory for reading.
func mapOpen(fd uintptr, name string, size int64) ([]byte, error) {
	b, err := unix.Mmap(int(fd), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s into memory: %w", name, err)
	}
	return b, nil
}

// guardFault calls read. A file that shrinks, or a disk that fails, while it is mapped faults at the address: that is an
// error of read, not the end of the process.
func guardFault(read func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			fault, ok := v.(interface{ Addr() uintptr })
			if !ok {
				panic(v)
			}
			err = fmt.Errorf("the disk does not give its content (fault at address %#x)", fault.Addr())
		}
	}()
	return read()
}

func (d *shards) damaged(shard, row int, why string) error {
	where := d.manifest.Shards[shard].File
	if row >= 0 {
		where += fmt.Sprintf(" row %d", row)
	}
	return fmt.Errorf("%s is damaged: %s; %s", where, why, d.repair)
}

func (d *shards) Len() int            { return d.manifest.Rows }
func (d *shards) Classes() []string   { return d.manifest.Classes }
func (d *shards) Quarantined() int    { return d.manifest.quarantined() }
func (d *shards) Fingerprint() string { return d.manifest.fingerprint() }

func (d *shards) Close() error {
	var errs []error
	for _, b := range d.maps {
		errs = append(errs, unix.Munmap(b))
	}
	d.maps, d.batches = nil, nil
	return errors.Join(errs...)
}

func (d *shards) Read(_ context.Context, i int, s *pipeline.Sample) error {
	return d.row(i, s, (*batch).read)
}

// describe implements describer.
func (d *shards) describe(i int, s *pipeline.Sample) error { return d.row(i, s, (*batch).describe) }

// A Sizer knows the size of an image without decoding it: shards are one.
type Sizer interface {
	// Size returns the pixels of image i, upright, as they were decoded when it was stored.
	Size(i int) (width, height int, err error)
}

// Size implements Sizer.
func (d *shards) Size(i int) (width, height int, err error) {
	err = d.row(i, nil, func(b *batch, row, _ int, _ *pipeline.Sample) string {
		width, height = int(int32(b.columns[columnWidth].u32(row))), int(int32(b.columns[columnHeight].u32(row)))
		return ""
	})
	return width, height, err
}

// row calls read on row i of the data set, and says where it lies if something is wrong with it.
func (d *shards) row(i int, s *pipeline.Sample, read func(b *batch, row, classes int, s *pipeline.Sample) (why string)) error {
	at, exact := slices.BinarySearchFunc(d.batches, i, func(b placedBatch, i int) int { return cmp.Compare(b.first, i) })
	if !exact {
		at--
	}
	b := &d.batches[at]
	row := i - b.first
	var why string
	err := guardFault(func() error { why = read(&b.batch, row, len(d.manifest.Classes), s); return nil })
	if err != nil {
		why = err.Error()
	}
	if why != "" {
		return d.damaged(b.shard, b.row+row, why)
	}
	return nil
}

// stored returns a row as it is stored, less its digest. Its image lies in the file.
func (d *shards) stored(at rowPlace, s *pipeline.Sample) (r row, err error) {
	k, exact := slices.BinarySearchFunc(d.batches, at, func(b placedBatch, at rowPlace) int {
		return cmp.Or(cmp.Compare(b.shard, at.shard), cmp.Compare(b.row, at.row))
	})
	if !exact {
		k--
	}
	b := &d.batches[k]
	i := b.first + at.row - b.row
	if err := d.row(i, s, (*batch).read); err != nil {
		return row{}, err
	}
	err = guardFault(func() error {
		n := at.row - b.row
		r = row{id: b.columns[columnID].u64(n), label: s.Label, key: s.Key, image: s.Bytes, crc: b.columns[columnCRC].u32(n),
			width: int(b.columns[columnWidth].u32(n)), height: int(b.columns[columnHeight].u32(n))}
		return nil
	})
	return r, err
}

// describe fills the key and label of s from a row, or says what is wrong with them.
func (b *batch) describe(row, classes int, s *pipeline.Sample) (why string) {
	key, ok := b.columns[columnKey].bytes(row)
	if !ok {
		return "the offsets of its key make no sense"
	}
	s.Key = string(key)
	s.Label = int32(b.columns[columnLabel].u32(row))
	if s.Label < -1 || int(s.Label) >= classes {
		return fmt.Sprintf("label %d, of %d classes", s.Label, classes)
	}
	return ""
}

// read fills s from a row, or says what is wrong with it.
func (b *batch) read(row, classes int, s *pipeline.Sample) (why string) {
	if why := b.describe(row, classes, s); why != "" {
		return why
	}
	image, ok := b.columns[columnImage].bytes(row)
	if !ok {
		return "the offsets of its image make no sense"
	}
	if got, want := crc32.Checksum(image, castagnoli), b.columns[columnCRC].u32(row); got != want {
		return fmt.Sprintf("the crc32c of its image is %08x, not %08x", got, want)
	}
	s.Bytes = image
	return ""
}
