package datasets

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/sourcegraph/conc/panics"

	"github.com/goclr/goclr/pipeline"
)

// QuarantineName is the file of bad images in a folder of shards, and in the directory of a run.
const QuarantineName = "quarantine.arrow"

// Values of BadImage.Stage besides the names of a pipeline's stages.
const (
	StageRead     = "read"     // the source could not give it
	StageDecode   = "decode"   // it could not be decoded
	StageReencode = "reencode" // it could not be stored smaller, see Reencoding
	StageKey      = "key"      // another image has its key
)

// A BadImage is an image that Ingest or a training refused.
type BadImage struct {
	ID     uint64 // index in the source
	Key    string
	Label  int32  // -1: none
	Stage  string // where it failed: StageRead, StageDecode, StageReencode or the name of a stage
	Reason string
	Bytes  []byte // the image as its source gives it; nil where it gives none
}

// quarantineBatchBytes bounds the images that a Quarantine holds in memory, unless a single one is larger.
const quarantineBatchBytes = 8 << 20

// A Quarantine collects bad images in an Arrow file, drawn in FORMAT.md, without holding them in memory. The file begins to exist with the first Flush that has
// something to write, and is whole after each. Whatever ends the process, OpenQuarantine goes on behind the last one.
// It belongs to one goroutine.
type Quarantine struct {
	name   string
	create func(name string) (outputFile, error) // tests put a full disk in its place
	limit  int64

	rows    *array.RecordBuilder
	mem     memory.Allocator
	pending int64 // bytes of the rows in the builder
	ids     map[uint64]struct{}

	file   outputFile // nil until there is something to write
	blocks []block
	end    int64 // where the next record batch goes
	failed error
}

// OpenQuarantine goes on with the file called name, or begins one. Another process that has it open is an error.
func OpenQuarantine(name string) (*Quarantine, error) {
	q := newQuarantine(name, createFile, memory.NewGoAllocator())
	if err := q.open(); err != nil {
		q.rows.Release()
		return nil, err
	}
	return q, nil
}

func newQuarantine(name string, create func(string) (outputFile, error), mem memory.Allocator) *Quarantine {
	return &Quarantine{name: name, create: create, mem: mem, limit: quarantineBatchBytes,
		rows: array.NewRecordBuilder(mem, quarantineSchema), ids: map[uint64]struct{}{}}
}

// Len is the number of images in it, with those of earlier processes.
func (q *Quarantine) Len() int { return len(q.ids) }

// Add sets an image aside, and reports whether it was new: one with this ID may be there from another epoch. Bytes above
// MaxImageBytes are left out.
func (q *Quarantine) Add(b BadImage) (added bool, err error) {
	if q.failed != nil {
		return false, q.failed
	}
	if _, found := q.ids[b.ID]; found {
		return false, nil
	}
	if len(b.Bytes) > MaxImageBytes {
		b.Bytes = nil
	}
	size := int64(len(b.Key)+len(b.Stage)+len(b.Reason)+len(b.Bytes)) + rowOverhead
	if q.pending+size > q.limit {
		if err := q.Flush(); err != nil {
			return false, err
		}
	}
	text := func(column int, s string) {
		q.rows.Field(column).(*array.StringBuilder).Append(strings.ToValidUTF8(s, "\uFFFD"))
	}
	q.rows.Field(badID).(*array.Uint64Builder).Append(b.ID)
	text(badKey, b.Key)
	q.rows.Field(badLabel).(*array.Int32Builder).Append(b.Label)
	text(badStage, b.Stage)
	text(badError, b.Reason)
	if image := q.rows.Field(badBytes).(*array.BinaryBuilder); b.Bytes == nil {
		image.AppendNull()
	} else {
		image.Append(b.Bytes)
	}
	q.pending += size
	q.ids[b.ID] = struct{}{}
	return true, nil
}

// AddSample sets aside an image of src that a pipeline tells Options.OnBad of, and reports whether it was new. Label and bytes are read from src again, and
// left out where that fails. If ctx ends the reading, nothing is added.
func (q *Quarantine) AddSample(ctx context.Context, src pipeline.Source, e *pipeline.SampleError) (added bool, err error) {
	if _, found := q.ids[e.ID]; found {
		return false, nil
	}
	s := pipeline.NewSample(ctx, pipeline.Key{})
	failed := readSafely(ctx, src, int(e.ID), s)
	if err := ctx.Err(); err != nil {
		return false, err
	}
	b := BadImage{ID: e.ID, Key: cmp.Or(s.Key, e.Key), Label: s.Label, Stage: stageOf(e), Reason: reasonOf(e)}
	if failed == nil {
		b.Bytes = s.Bytes
	}
	return q.Add(b)
}

// stageOf gives the source and the decoder the names that they have in ingest.
func stageOf(e *pipeline.SampleError) string {
	switch e.Stage {
	case pipeline.SourceStage:
		return StageRead
	case "Decode": // stages.Decode
		return StageDecode
	}
	return e.Stage
}

// reasonOf is the error of a sample without what other columns say, and without the stack of a panic.
func reasonOf(e *pipeline.SampleError) string {
	reason := fmt.Sprint(e.Err)
	if p := (*panics.ErrRecovered)(nil); errors.As(e.Err, &p) {
		reason = fmt.Sprintf("panic: %v", p.Value)
	}
	if e.View > 0 {
		reason = fmt.Sprintf("view %d: %s", e.View, reason)
	}
	return reason
}

// manifest flushes, and says what is in the file: nil if there is nothing.
func (q *Quarantine) manifest() (*quarantineManifest, error) {
	if err := q.Flush(); err != nil || q.Len() == 0 {
		return nil, err
	}
	sum, err := sumOfFile(q.name)
	if err != nil {
		return nil, err
	}
	return &quarantineManifest{File: filepath.Base(q.name), Images: q.Len(), SHA256: sum}, nil
}

// sumOfFile is the SHA-256 of a file, in hexadecimal digits.
func sumOfFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Close writes what is pending and closes the file. After an error of Add or Flush it says that again; when closed already, it does nothing.
func (q *Quarantine) Close() error {
	if q.rows == nil {
		return nil
	}
	err := q.Flush()
	q.rows.Release()
	q.rows = nil
	if q.file != nil {
		err = errors.Join(err, q.file.Close())
	}
	if q.failed == nil {
		q.failed = fmt.Errorf("write bad images to %s: %w", q.name, os.ErrClosed)
	}
	return err
}

// gatherQuarantine writes the bad images of some folders, in this order, as the quarantine of one, which may be among them. Of each folder
// pick chooses images by their IDs, and their order. The bytes do not depend on when they were written. It
// returns nil, and leaves no file, if there are none.
func gatherQuarantine(to string, from []string, pick func(ids []uint64) (places []int), create func(string) (outputFile, error),
	mem memory.Allocator) (_ *quarantineManifest, err error) {
	name := filepath.Join(to, QuarantineName)
	if err := ignoreMissing(os.Remove(name + gatheredSuffix)); err != nil {
		return nil, err
	}
	q := newQuarantine(name+gatheredSuffix, create, mem)
	defer func() { err = errors.Join(err, q.Close()) }()
	for _, dir := range from {
		if err := ignoreMissing(q.addFrom(filepath.Join(dir, QuarantineName), pick)); err != nil {
			return nil, err
		}
	}
	m, err := q.manifest()
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, ignoreMissing(os.Remove(name))
	}
	m.File = QuarantineName
	return m, os.Rename(q.name, name)
}

// asTheyAre picks all.
func asTheyAre(ids []uint64) []int {
	places := make([]int, len(ids))
	for i := range places {
		places[i] = i
	}
	return places
}

// addFrom adds images of a file, see gatherQuarantine.
func (q *Quarantine) addFrom(name string, pick func(ids []uint64) (places []int)) error {
	parts, err := mapQuarantine(name)
	if err != nil {
		return err
	}
	defer parts.close()
	ids, err := parts.ids()
	if err != nil {
		return err
	}
	for _, place := range pick(ids) {
		bad, err := parts.imageAt(place)
		if err != nil {
			return err
		}
		if _, err := q.Add(bad); err != nil {
			return err
		}
	}
	return nil
}

// gatheredSuffix ends the name of a quarantine that is being gathered.
const gatheredSuffix = ".gathered"
