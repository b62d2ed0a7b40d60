package datasets

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"golang.org/x/sys/unix"
)

// quarantineSchema is that of the file of bad images.
var quarantineSchema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Uint64},
	{Name: "key", Type: arrow.BinaryTypes.String},
	{Name: "label", Type: arrow.PrimitiveTypes.Int32},
	{Name: "stage", Type: arrow.BinaryTypes.String},
	{Name: "error", Type: arrow.BinaryTypes.String},
	{Name: "bytes", Type: arrow.BinaryTypes.Binary, Nullable: true},
}, nil)

// quarantineColumns is the layout of quarantineSchema.
var quarantineColumns = layout{
	{name: "id", kind: typeInt, width: 8},
	{name: "key", kind: typeUTF8},
	{name: "label", kind: typeInt, width: 4, signed: true},
	{name: "stage", kind: typeUTF8},
	{name: "error", kind: typeUTF8},
	{name: "bytes", kind: typeBinary, nullable: true},
}

// Columns of quarantineSchema.
const (
	badID = iota
	badKey
	badLabel
	badStage
	badError
	badBytes
)

// endOfStream ends the record batches of an Arrow file.
var endOfStream = []byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0}

// open takes up what is in the file, if there is one, and mends its end, which a process that was killed may have torn.
func (q *Quarantine) open() error {
	f, err := os.OpenFile(q.name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := q.takeUp(f); err != nil {
		f.Close()
		return err
	}
	q.file = f
	return nil
}

func (q *Quarantine) takeUp(f *os.File) error {
	if err := lockFile(f); err != nil {
		return fmt.Errorf("lock %s: %w", q.name, err)
	}
	parts, err := mapQuarantine(q.name)
	if err != nil {
		return err
	}
	defer parts.close()
	ids, err := parts.ids()
	if err != nil {
		return err
	}
	for _, id := range ids {
		q.ids[id] = struct{}{}
	}
	q.blocks, q.end = parts.blocks, parts.end
	if parts.torn {
		return q.mend(f)
	}
	return nil
}

// lockFile keeps other processes from writing to a file, until it is closed or the process ends in whatever way.
func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errors.New("another process is writing it")
	}
	return err
}

// begin makes a file without images that appears whole.
func (q *Quarantine) begin() error {
	aside := q.name + ".partial"
	if err := ignoreMissing(os.Remove(aside)); err != nil { // of a process that was killed here
		return err
	}
	f, err := q.create(aside)
	if err != nil {
		return err
	}
	head := quarantineHead()
	_, err = f.WriteAt(append(slices.Clone(head), quarantineTail(nil)...), 0)
	if err = errors.Join(err, f.Sync()); err == nil {
		if file, ok := f.(*os.File); ok {
			err = lockFile(file)
		}
	}
	if err == nil {
		err = os.Rename(aside, q.name)
	}
	if err == nil {
		err = syncDir(filepath.Dir(q.name))
	}
	if err != nil {
		return errors.Join(err, f.Close(), ignoreMissing(os.Remove(aside)))
	}
	q.file, q.end = f, int64(len(head))
	return nil
}

// Flush writes what is pending to the file and to the disk. After an error, what was not written is lost, and so is every further
// image: the file is as it was before.
func (q *Quarantine) Flush() error {
	if q.failed != nil || q.pending == 0 {
		return q.failed
	}
	if err := q.flush(); err != nil {
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			err = fmt.Errorf("the disk is full: %w; make room on it, and run this again", err)
		}
		q.failed = fmt.Errorf("write bad images to %s: %w", q.name, err)
	}
	return q.failed
}

// flush puts a record batch where the footer was, and a longer footer behind it. To write the whole file anew and rename it would
// take the time of all bad images for each few; what this may tear is only its end, which readers and open find by the batches.
func (q *Quarantine) flush() error {
	if q.file == nil {
		if err := q.begin(); err != nil {
			return err
		}
	}
	rec := q.rows.NewRecord()
	defer rec.Release()
	q.pending = 0
	b, err := arrowFile(quarantineSchema, q.mem, rec)
	if err != nil {
		return err
	}
	head := int64(len(quarantineHead()))
	written, _, err := parseArrow(b, quarantineColumns)
	if err != nil || len(written) != 1 || written[0].at != head {
		return errors.Join(errLayout, err)
	}
	next := written[0]
	next.at = q.end
	blocks := append(slices.Clip(q.blocks), next)
	b = append(b[head:head+next.meta+next.body:head+next.meta+next.body], quarantineTail(blocks)...)
	_, err = q.file.WriteAt(b, q.end)
	if err = errors.Join(err, q.file.Sync()); err != nil {
		return errors.Join(err, q.mend(q.file))
	}
	q.blocks, q.end = blocks, next.end()
	return nil
}

// mend writes the end of the file again.
func (q *Quarantine) mend(f outputFile) error {
	tail := quarantineTail(q.blocks)
	_, err := f.WriteAt(tail, q.end)
	err = errors.Join(err, f.Truncate(q.end+int64(len(tail))), f.Sync())
	if err != nil {
		return fmt.Errorf("mend %s: %w", q.name, err)
	}
	return nil
}

// arrowFile is an Arrow file with the given records.
func arrowFile(schema *arrow.Schema, mem memory.Allocator, records ...arrow.Record) ([]byte, error) {
	var b bytes.Buffer
	w, err := ipc.NewFileWriter(&appended{&b}, ipc.WithSchema(schema), ipc.WithAllocator(mem))
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if err := w.Write(r); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// An appended buffer is a WriteSeeker only as far as package ipc asks for its position.
type appended struct{ *bytes.Buffer }

func (a *appended) Seek(int64, int) (int64, error) { return int64(a.Len()), nil }

// emptyQuarantine is a file without images.
var emptyQuarantine = sync.OnceValue(func() []byte {
	b, err := arrowFile(quarantineSchema, memory.NewGoAllocator())
	if err != nil {
		panic(err) // it is the same for everybody, and tests see it first
	}
	return b
})

// quarantineHead is what comes before the first batch: the magic word and the schema.
func quarantineHead() []byte {
	b := emptyQuarantine()
	return bytes.TrimSuffix(b[:footerStart(&flat{b: b})], endOfStream)
}

// quarantineTail is what comes after the last batch: the end of the stream and the footer. Package ipc writes a footer only for what it
// has written itself; so here is that of an empty file, whose list of batches is put at the end.
func quarantineTail(blocks []block) []byte {
	f := flat{b: emptyQuarantine()}
	start := footerStart(&f)
	footer := slices.Clone(f.b[start : len(f.b)-10])
	list := f.field(f.root(start), 3) - start
	for len(footer)%8 != 4 { // the blocks, behind their number, begin at a multiple of 8
		footer = append(footer, 0)
	}
	binary.LittleEndian.PutUint32(footer[list:], uint32(int64(len(footer))-list))
	footer = binary.LittleEndian.AppendUint32(footer, uint32(len(blocks)))
	for _, b := range blocks {
		footer = binary.LittleEndian.AppendUint64(footer, uint64(b.at))
		footer = binary.LittleEndian.AppendUint64(footer, uint64(b.meta))
		footer = binary.LittleEndian.AppendUint64(footer, uint64(b.body))
	}
	tail := append(slices.Clone(endOfStream), footer...)
	tail = binary.LittleEndian.AppendUint32(tail, uint32(len(footer)))
	return append(tail, "ARROW1"...)
}
