package datasets

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ReadQuarantine yields the bad images of a file, or of a folder that has one: shards, also those of earlier versions with
// quarantine.jsonl, or a run. They come in the order in which they were found, and their Bytes are valid until the loop ends. An error is
// the last thing yielded; it is fs.ErrNotExist where there is no such file. What a killed process left half written is passed over.
func ReadQuarantine(name string) iter.Seq2[BadImage, error] {
	return func(yield func(BadImage, error) bool) {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			file := filepath.Join(name, QuarantineName)
			if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
				if _, err := os.Stat(filepath.Join(name, quarantineList)); err == nil {
					readOldQuarantine(name, yield)
					return
				}
			}
			name = file
		}
		parts, err := mapQuarantine(name)
		if err != nil {
			yield(BadImage{}, err)
			return
		}
		defer parts.close()
		for _, b := range parts.batches {
			for row := range b.rows {
				bad, err := parts.image(&b, row)
				if !yield(bad, err) || err != nil {
					return
				}
			}
		}
	}
}

// A mappedQuarantine is a file of bad images in place.
type mappedQuarantine struct {
	name    string
	file    []byte
	blocks  []block
	batches []batch
	end     int64 // of the last batch
	torn    bool  // the footer is not there
}

func mapQuarantine(name string) (*mappedQuarantine, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return nil, fmt.Errorf("%s is no quarantine: it is empty, or no file; name a %s, or the folder with it", name, QuarantineName)
	}
	q := &mappedQuarantine{name: name}
	if q.file, err = mapFile(name, info.Size()); err != nil {
		return nil, err
	}
	if err := guardFault(q.parse); err != nil {
		q.close()
		return nil, fmt.Errorf("%s is no quarantine, or damaged: %w; name a %s, or the folder with it", name, err, QuarantineName)
	}
	return q, nil
}

func (q *mappedQuarantine) close() error { return unix.Munmap(q.file) }

// parse finds the batches through the footer, or, where that is torn, one by one from the start.
func (q *mappedQuarantine) parse() (err error) {
	f := flat{b: q.file}
	schema := f.number(f.root(16), 1, 1) == 1 && f.has(f.root(f.field(f.root(16), 2)), quarantineColumns)
	if !bytes.HasPrefix(q.file, []byte("ARROW1\x00\x00")) || !schema || f.bad {
		return errLayout
	}
	q.end = 16 + int64(f.u32(12))
	q.blocks, q.batches, err = parseArrow(q.file, quarantineColumns)
	if q.torn = err != nil; q.torn {
		q.blocks, q.batches = q.walk(q.end)
	}
	for _, b := range q.blocks {
		q.end = max(q.end, b.end())
	}
	return nil
}

// walk finds the batches that are whole, one behind the other. Each begins with a mark and the length of its metadata, a Message
// {version, kind of header, header, length of body}.
func (q *mappedQuarantine) walk(at int64) (blocks []block, batches []batch) {
	for {
		f := flat{b: q.file}
		mark, meta := f.u32(at), 8+int64(f.u32(at+4))
		message := f.root(at + 8)
		body := int64(f.number(message, 3, 8))
		size := int64(len(q.file))
		if f.bad || mark != 0xFFFFFFFF || meta == 8 || body < 0 || body > size || at+meta+body > size {
			return blocks, batches
		}
		b, err := f.batch(message, q.file[at+meta:at+meta+body], quarantineColumns)
		if err != nil {
			return blocks, batches
		}
		blocks, batches = append(blocks, block{at, meta, body}), append(batches, b)
		at += meta + body
	}
}

// ids are those of all images.
func (q *mappedQuarantine) ids() (ids []uint64, err error) {
	err = guardFault(func() error {
		for _, b := range q.batches {
			for row := range b.rows {
				ids = append(ids, b.columns[badID].u64(row))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", q.name, err)
	}
	return ids, nil
}

// imageAt returns an image by its place among all.
func (q *mappedQuarantine) imageAt(place int) (BadImage, error) {
	at := 0
	for place >= q.batches[at].rows {
		place -= q.batches[at].rows
		at++
	}
	return q.image(&q.batches[at], place)
}

// image returns a row.
func (q *mappedQuarantine) image(b *batch, row int) (bad BadImage, err error) {
	ok := true
	value := func(column int) []byte {
		v, good := b.columns[column].bytes(row)
		ok = ok && good
		return v
	}
	err = guardFault(func() error {
		bad = BadImage{ID: b.columns[badID].u64(row), Label: int32(b.columns[badLabel].u32(row)), Key: string(value(badKey)),
			Stage: string(value(badStage)), Reason: string(value(badError))}
		if image := &b.columns[badBytes]; !image.null(row) {
			bad.Bytes = value(badBytes)
		}
		return nil
	})
	if err == nil && !ok {
		err = errors.New("offsets of an image make no sense")
	}
	if err != nil {
		return BadImage{}, fmt.Errorf("%s is damaged: %w", q.name, err)
	}
	return bad, nil
}
