package datasets

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"golang.org/x/sys/unix"

	"github.com/goclr/goclr/pipeline"
)

// DuplicatesName is the list, in a folder of shards, of images that were left out since another has the same bytes.
const DuplicatesName = "duplicates.jsonl"

// sumsSuffix takes the place of a shard's extension in the name of a file with the SHA-256 of each of its images, which is there until
// duplicates are removed.
const sumsSuffix = ".sha256"

func sumsOf(shard string) string { return strings.TrimSuffix(shard, ".arrow") + sumsSuffix }

// A duplicate is a line of the list.
type duplicate struct {
	Key    string `json:"key"`
	SameAs string `json:"same_as"` // key of the image that is kept
}

type duplicatesManifest struct {
	Images int    `json:"images"`
	Bytes  int64  `json:"bytes"` // of these images
	SHA256 string `json:"sha256,omitempty"`
}

// A rowSum is the SHA-256 of the image in a row of a shard.
type rowSum struct {
	sum        [sha256.Size]byte
	shard, row int
}

func (a rowSum) compare(b rowSum) int {
	return cmp.Or(bytes.Compare(a.sum[:], b.sum[:]), cmp.Compare(a.shard, b.shard), cmp.Compare(a.row, b.row))
}

// sumsMemory is how many rowSums are held at once.
const sumsMemory = 1 << 20

// A deduplicator removes images of a folder of shards whose bytes an earlier row has.
type deduplicator struct {
	dir    string
	m      *manifest
	sums   [][]byte           // of each shard
	drop   []map[int]rowPlace // by shard and row: the image that is kept
	create func(name string) (outputFile, error)
	mem    memory.Allocator

	done, total int // rows of shards that have duplicates
	tell        func(done, total int)
}

type rowPlace struct{ shard, row int }

// removeDuplicates writes shards that have duplicates anew without them, lists these, and changes the manifest accordingly. Of images with
// the same bytes the first row is kept.
func (m *manifest) removeDuplicates(ctx context.Context, dir string, create func(string) (outputFile, error), mem memory.Allocator,
	progress func(IngestProgress)) (err error) {
	d := &deduplicator{dir: dir, m: m, drop: make([]map[int]rowPlace, len(m.Shards)), create: create, mem: mem,
		tell: tellRarely("leaving out duplicates", progress)}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.readSums(); err != nil {
		return err
	}
	passes := m.Rows/sumsMemory + 1
	for pass := range passes {
		if err := ctx.Err(); err != nil {
			return err
		}
		d.find(pass, passes)
	}
	if err := d.remove(ctx); err != nil {
		return err
	}
	m.Shards = slices.DeleteFunc(m.Shards, func(s shardInfo) bool { return s.Rows == 0 })
	return nil
}

// removeSums removes the files with sums from a folder whose manifest is written: until then they are what spares an ingest that goes on from
// reading all images again.
func removeSums(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), sumsSuffix) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

func (d *deduplicator) readSums() error {
	for _, s := range d.m.Shards {
		b, err := mapFile(filepath.Join(d.dir, sumsOf(s.File)), int64(s.Rows)*sha256.Size)
		if err != nil {
			return err
		}
		d.sums = append(d.sums, b)
	}
	return nil
}

func (d *deduplicator) close() error {
	var errs []error
	for _, b := range d.sums {
		errs = append(errs, unix.Munmap(b))
	}
	return errors.Join(errs...)
}

// find looks for duplicates among the images whose sums fall into one of some equal parts.
func (d *deduplicator) find(pass, passes int) {
	var sums []rowSum
	for shard, b := range d.sums {
		for row := range len(b) / sha256.Size {
			s := rowSum{shard: shard, row: row}
			copy(s.sum[:], b[row*sha256.Size:])
			if (int(s.sum[0])<<8|int(s.sum[1]))*passes>>16 == pass {
				sums = append(sums, s)
			}
		}
	}
	slices.SortFunc(sums, rowSum.compare)
	first := 0
	for i, s := range sums {
		if s.sum != sums[first].sum {
			first = i
		}
		if i > first {
			if d.drop[s.shard] == nil {
				d.drop[s.shard] = map[int]rowPlace{}
			}
			d.drop[s.shard][s.row] = rowPlace{sums[first].shard, sums[first].row}
		}
	}
}

// remove writes the list, and shards anew.
func (d *deduplicator) remove(ctx context.Context) error {
	before, err := mapShards(ctx, d.dir, d.m)
	if err != nil {
		return err
	}
	m := *d.m // what before goes by stays as it is
	m.Shards = slices.Clone(m.Shards)
	m.Duplicates = &duplicatesManifest{}
	for shard := range m.Shards {
		if len(d.drop[shard]) > 0 {
			d.total += m.Shards[shard].Rows
		}
	}
	var content contentSum
	err = content.UnmarshalText([]byte(m.Content))
	var list bytes.Buffer
	for shard := range m.Shards {
		if len(d.drop[shard]) > 0 && err == nil {
			err = d.rewrite(ctx, before, shard, &m, &content, &list)
			before.forget(shard)
		}
	}
	m.Content = content.String()
	if err == nil && m.Duplicates.Images > 0 {
		sum := sha256.Sum256(list.Bytes())
		m.Duplicates.SHA256 = hex.EncodeToString(sum[:])
		err = writeFile(d.create, filepath.Join(d.dir, DuplicatesName), list.Bytes())
	}
	if err := errors.Join(err, before.Close()); err != nil {
		return err
	}
	*d.m = m
	return nil
}

// rewrite writes a shard without its duplicates, and takes them out of the manifest.
func (d *deduplicator) rewrite(ctx context.Context, before *shards, shard int, m *manifest, content *contentSum, list *bytes.Buffer) error {
	var number int
	if _, err := fmt.Sscanf(m.Shards[shard].File, "shard-%d.arrow", &number); err != nil {
		return err
	}
	w := newShardWriter(d.dir, number, d.create, d.mem)
	defer w.close()
	s := pipeline.NewSample(ctx, pipeline.Key{})
	for row := range m.Shards[shard].Rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		d.done++
		d.tell(d.done, d.total)
		r, err := before.stored(rowPlace{shard, row}, s)
		if err != nil {
			return err
		}
		r.digest = rowDigest(&r, [sha256.Size]byte(d.sums[shard][row*sha256.Size:]))
		kept, dropped := d.drop[shard][row]
		if !dropped {
			if err := w.append(&r); err != nil {
				return err
			}
			continue
		}
		content.subtractRow(r.digest)
		m.Rows--
		m.Bytes -= int64(len(r.image))
		m.Duplicates.Images++
		m.Duplicates.Bytes += int64(len(r.image))
		other, err := before.stored(kept, s)
		if err != nil {
			return err
		}
		if !bytes.Equal(r.image, other.image) { // no checksum covers the file with the sums
			return fmt.Errorf("%s and %s have the same sum by %s, but other bytes: that file is damaged; ingest again", r.key, other.key,
				filepath.Join(d.dir, sumsOf(m.Shards[shard].File)))
		}
		line, err := json.Marshal(duplicate{r.key, other.key})
		if err != nil {
			return err
		}
		list.Write(append(line, '\n'))
	}
	after, err := w.end()
	if err != nil {
		return err
	}
	if after.Info == nil { // all are duplicates
		m.Shards[shard].Rows = 0
		return os.Remove(filepath.Join(d.dir, m.Shards[shard].File))
	}
	m.Shards[shard] = *after.Info
	return nil
}
