package datasets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/goclr/goclr/pipeline"
)

// A VerifyReport says what Verify looked at.
type VerifyReport struct {
	Images, Shards int
	Bytes          int64 // read from disk
	Quarantined    int
}

// Verify reads every byte of a folder of shards and compares it with the checksums: a flipped bit anywhere, a file too many
// or one too few is an error. All that is wrong is listed, joined. Progress, which may be nil, is told the bytes read of
// all bytes.
func Verify(ctx context.Context, dir string, progress func(done, total int64)) (VerifyReport, error) {
	m, err := readManifest(dir)
	if err != nil {
		return VerifyReport{}, err
	}
	v := &verifier{dir: dir, progress: progress, expected: map[string]bool{manifestName: true, journalName: true}}
	for _, s := range m.Shards {
		v.total += s.Bytes
	}
	for _, s := range m.Shards {
		v.file(ctx, s.File, s.Bytes, s.SHA256)
	}
	if d := m.Duplicates; d != nil && d.Images > 0 {
		v.file(ctx, DuplicatesName, -1, d.SHA256)
	}
	if m.Duplicates != nil && m.Part != nil {
		for _, s := range m.Shards {
			v.expected[sumsOf(s.File)] = true
		}
	}
	if m.Quarantine != nil {
		v.quarantine(ctx, m.Quarantine)
	}
	v.others()
	if len(v.wrong) == 0 && ctx.Err() == nil {
		v.rows(ctx, m)
	}
	if err := ctx.Err(); err != nil {
		return VerifyReport{}, err
	}
	if len(v.wrong) > 0 {
		return VerifyReport{}, fmt.Errorf("%s is damaged; copy these files again from where they came, or run ingest again:\n%w",
			dir, errors.Join(v.wrong...))
	}
	r := VerifyReport{Images: m.Rows, Shards: len(m.Shards), Bytes: v.done}
	if m.Quarantine != nil {
		r.Quarantined = m.Quarantine.Images
	}
	return r, nil
}

// A verifier collects what is wrong.
type verifier struct {
	dir         string
	progress    func(done, total int64)
	done, total int64
	expected    map[string]bool // files, by path within dir
	wrong       []error
}

func (v *verifier) fault(name, format string, args ...any) {
	v.wrong = append(v.wrong, fmt.Errorf("%s: "+format, append([]any{name}, args...)...))
}

// file compares a file with its size, unless that is -1, and its checksum.
func (v *verifier) file(ctx context.Context, name string, size int64, sum string) {
	v.expected[name] = true
	f, err := os.Open(filepath.Join(v.dir, filepath.FromSlash(name)))
	if err != nil {
		v.wrong = append(v.wrong, err)
		return
	}
	defer f.Close()
	h := sha256.New()
	n := int64(0)
	for err == nil && ctx.Err() == nil {
		var k int64
		k, err = io.CopyN(h, f, 4<<20)
		n += k
		v.done += k
		if v.progress != nil {
			v.progress(v.done, max(v.done, v.total))
		}
	}
	switch {
	case ctx.Err() != nil:
	case !errors.Is(err, io.EOF):
		v.fault(name, "%w", err)
	case size >= 0 && n != size:
		v.fault(name, "%d bytes, not %d", n, size)
	case hex.EncodeToString(h.Sum(nil)) != sum:
		v.fault(name, "its SHA-256 does not match")
	}
}

// quarantine checks the bad images, and that there are as many as the manifest says.
func (v *verifier) quarantine(ctx context.Context, q *quarantineManifest) {
	if q.File == "" {
		v.oldQuarantine(ctx, q)
		return
	}
	if q.File != QuarantineName {
		v.fault(manifestName, "it has its bad images in %q, not in %s", q.File, QuarantineName)
		return
	}
	before := len(v.wrong)
	v.file(ctx, QuarantineName, -1, q.SHA256)
	if len(v.wrong) > before || ctx.Err() != nil {
		return
	}
	images := 0
	for _, err := range ReadQuarantine(filepath.Join(v.dir, QuarantineName)) {
		if err != nil {
			v.wrong = append(v.wrong, err)
			return
		}
		images++
	}
	if images != q.Images {
		v.fault(QuarantineName, "%d images, the manifest says %d", images, q.Images)
	}
}

// oldQuarantine checks the list of bad images, and each copy by the list.
func (v *verifier) oldQuarantine(ctx context.Context, q *quarantineManifest) {
	before := len(v.wrong)
	v.file(ctx, quarantineList, -1, q.SHA256)
	if len(v.wrong) > before || ctx.Err() != nil {
		return
	}
	list, err := readOldList(v.dir)
	if err != nil {
		v.wrong = append(v.wrong, err)
	}
	for _, bad := range list {
		if bad.File != "" {
			v.file(ctx, bad.File, -1, bad.SHA256)
		}
	}
}

// others looks for files that do not belong here.
func (v *verifier) others() {
	err := filepath.WalkDir(v.dir, func(name string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		within, err := filepath.Rel(v.dir, name)
		if err != nil {
			return err
		}
		within = filepath.ToSlash(within)
		if !e.IsDir() && !v.expected[within] {
			v.fault(within, "not part of these shards")
		}
		return nil
	})
	if err != nil {
		v.wrong = append(v.wrong, err)
	}
}

// rows reads each image as training would, which also finds what a wrong writer did.
func (v *verifier) rows(ctx context.Context, m *manifest) {
	d, err := mapShards(ctx, v.dir, m)
	if err != nil {
		v.wrong = append(v.wrong, err)
		return
	}
	defer d.Close()
	s := pipeline.NewSample(ctx, pipeline.Key{})
	for i := 0; i < d.Len() && ctx.Err() == nil && len(v.wrong) < 10; i++ {
		if err := d.Read(ctx, i, s); err != nil {
			v.wrong = append(v.wrong, err)
		}
	}
}
