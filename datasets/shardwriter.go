package datasets

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/sourcegraph/conc"
)

const (
	batchBytes    = 8 << 20 // of a record batch in a file, unless a single image is larger
	rowOverhead   = 40      // bytes of a row besides key and image: numbers, offsets
	batchOverhead = 4096    // bytes of a batch besides its rows: metadata, padding, its part of the footer
)

// A row is an image on its way into a shard.
type row struct {
	id            uint64 // of its key
	label         int32
	key           string
	image         []byte
	width, height int
	crc           uint32
	sum           [sha256.Size]byte // of the image
	digest        [sha256.Size]byte // of all that is stored of it
	before        int               // bytes of the image that was re-encoded; 0: image is as it was
	stage         string            // what was done with it last: where it failed, if it is bad
}

func (r *row) size() int64 { return int64(len(r.key) + len(r.image) + rowOverhead) }

// An outputFile is what a shardWriter and a Quarantine need of a file; tests put a full disk in its place.
type outputFile interface {
	io.Writer
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

func createFile(name string) (outputFile, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
}

// writeFile writes and syncs a new file.
func writeFile(create func(string) (outputFile, error), name string, b []byte) error {
	f, err := create(name)
	if err != nil {
		return explainWrite(err)
	}
	_, err = f.Write(b)
	return explainWrite(errors.Join(err, f.Sync(), f.Close()))
}

// A shardWriter writes one shard, under another name until it is complete. What it writes is a function of the rows.
type shardWriter struct {
	dir        string
	batchLimit int64 // bytes of a record batch
	create     func(name string) (outputFile, error)
	mem        *recycler

	rows    *array.RecordBuilder
	pending int64 // bytes of the rows in the builder
	file    *countedFile
	arrow   *ipc.FileWriter
	record  shardRecord

	keepSums bool // in a file beside the shard, see sumsSuffix
	sums     []byte
}

// A shardRecord is what is known of a shard that is complete.
type shardRecord struct {
	Shard     int        `json:"shard"`          // number
	Info      *shardInfo `json:"info,omitempty"` // of the file; none where no image was good
	Content   contentSum `json:"content"`
	Bytes     int64      `json:"bytes"` // of the images
	Reencoded Reencoded  `json:"reencoded"`
}

// partialSuffix ends the names of files that are being written.
const partialSuffix = ".partial"

func newShardWriter(dir string, shard int, create func(string) (outputFile, error), mem memory.Allocator) *shardWriter {
	own := &recycler{Allocator: mem}
	return &shardWriter{dir: dir, batchLimit: batchBytes, create: create, mem: own, rows: array.NewRecordBuilder(own, shardSchema),
		record: shardRecord{Shard: shard}}
}

// append adds a row.
func (w *shardWriter) append(r *row) error {
	if w.pending+r.size()+batchOverhead > w.batchLimit {
		if err := w.flush(); err != nil {
			return err
		}
	}
	images := w.rows.Field(columnImage).(*array.BinaryBuilder)
	if w.pending == 0 && w.file != nil { // a batch that follows one will be as large
		images.ReserveData(int(w.batchLimit))
	}
	w.rows.Field(columnID).(*array.Uint64Builder).Append(r.id)
	w.rows.Field(columnLabel).(*array.Int32Builder).Append(r.label)
	w.rows.Field(columnKey).(*array.StringBuilder).Append(r.key)
	images.Append(r.image)
	w.rows.Field(columnWidth).(*array.Int32Builder).Append(int32(r.width))
	w.rows.Field(columnHeight).(*array.Int32Builder).Append(int32(r.height))
	w.rows.Field(columnCRC).(*array.Uint32Builder).Append(r.crc)
	w.record.Content.addRow(r.digest)
	w.record.Bytes += int64(len(r.image))
	w.record.Reencoded.count(r)
	w.pending += r.size()
	if w.keepSums {
		w.sums = append(w.sums, r.sum[:]...)
	}
	return nil
}

// flush writes the pending rows as one record batch.
func (w *shardWriter) flush() error {
	if w.pending == 0 {
		return nil
	}
	if w.file == nil {
		if err := w.start(); err != nil {
			return err
		}
	}
	rec := w.rows.NewRecord()
	defer rec.Release()
	w.pending = 0
	w.record.Info.Rows += int(rec.NumRows())
	return explainWrite(w.arrow.Write(rec))
}

func (w *shardWriter) start() error {
	w.record.Info = &shardInfo{File: fmt.Sprintf("shard-%05d.arrow", w.record.Shard)}
	f, err := w.create(w.path() + partialSuffix)
	if err != nil {
		return explainWrite(err)
	}
	w.file = &countedFile{f: f, sum: sha256.New()}
	w.arrow, err = ipc.NewFileWriter(w.file, ipc.WithSchema(shardSchema), ipc.WithAllocator(w.mem))
	return err
}

func (w *shardWriter) path() string { return filepath.Join(w.dir, w.record.Info.File) }

// end gives the file its name when all of it is on disk, and returns what is known of it.
func (w *shardWriter) end() (shardRecord, error) {
	if err := w.flush(); err != nil || w.file == nil {
		return w.record, err
	}
	f := w.file
	err := errors.Join(w.arrow.Close(), f.f.Sync(), f.f.Close())
	w.file = nil
	if err == nil && w.keepSums {
		err = writeFile(w.create, sumsOf(w.path()), w.sums)
	}
	if err == nil {
		err = os.Rename(w.path()+partialSuffix, w.path())
	}
	w.record.Info.Bytes, w.record.Info.SHA256 = f.n, hex.EncodeToString(f.sum.Sum(nil))
	return w.record, explainWrite(err)
}

// close releases what is open, whether or not the shard is complete.
func (w *shardWriter) close() {
	w.rows.Release()
	w.mem.close()
	if w.file != nil {
		w.file.f.Close()
		w.file = nil
	}
}

// explainWrite says what to do about a full disk.
func explainWrite(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("the disk is full: %w; make room and run it again: it goes on where it stopped", err)
	}
	return err
}

// A countedFile counts and hashes what is written; after an error the hash means nothing. It is a WriteSeeker only as far as package ipc asks for its position.
type countedFile struct {
	f   outputFile
	n   int64
	sum hash.Hash
}

func (c *countedFile) Write(b []byte) (int, error) {
	var hashing conc.WaitGroup // it takes as long as to write
	hashing.Go(func() { c.sum.Write(b) })
	n, err := c.f.Write(b)
	beginWriteBack(c.f, c.n, n)
	hashing.Wait()
	c.n += int64(n)
	return n, err
}

func (c *countedFile) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekCurrent {
		return 0, errors.ErrUnsupported
	}
	return c.n, nil
}
