package datasets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
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

// Verify reads every byte of a folder of shards, or of shards in a store, and compares it with the checksums: a flipped bit anywhere, a
// file too many or one too few is an error. All that is wrong is listed, joined. Progress, which may be nil, is told the bytes read of all
// bytes. Shards of a store are fetched to os.TempDir, one after the other.
func Verify(ctx context.Context, name string, progress func(done, total int64)) (_ VerifyReport, err error) {
	v := &verifier{dir: name, progress: progress, expected: map[string]bool{manifestName: true, journalName: true}}
	var m *manifest
	if isRemote(name) {
		if v.bucket, err = openURL(ctx, name); err != nil {
			return VerifyReport{}, err
		}
		defer func() { err = errors.Join(err, v.bucket.Close()) }()
		if v.dir, err = os.MkdirTemp("", "goclr-verify-*"); err != nil {
			return VerifyReport{}, noTempSpace(err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(v.dir)) }()
		m, err = remoteManifestOf(ctx, v.bucket, name)
	} else {
		m, err = readManifest(name)
	}
	if err != nil {
		return VerifyReport{}, err
	}
	if err := v.all(ctx, m); err != nil {
		return VerifyReport{}, err
	}
	if len(v.wrong) > 0 {
		return VerifyReport{}, fmt.Errorf("%s is damaged; copy these files again from where they came, or run ingest again:\n%w",
			name, errors.Join(v.wrong...))
	}
	return VerifyReport{Images: m.Rows, Shards: len(m.Shards), Bytes: v.done, Quarantined: m.quarantined()}, nil
}

// remoteManifestOf reads the manifest of shards in a bucket, which may be those of a part. The name is for messages.
func remoteManifestOf(ctx context.Context, b Bucket, name string) (*manifest, error) {
	content, err := manifestIn(ctx, b, "")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no %s, so these are no shards: copy there what ingest has written, all of it", name, manifestName)
	}
	if err == nil {
		var m *manifest
		if m, err = decodeManifest(content); err == nil {
			return m, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", name, err)
}

// A verifier collects what is wrong.
type verifier struct {
	dir         string
	bucket      Bucket // whose objects are fetched to dir; nil: they are there
	progress    func(done, total int64)
	done, total int64
	expected    map[string]bool // files, by path within dir
	wrong       []error
	stopped     error // why no more can be fetched, which is no damage
}

// all looks at everything that the manifest names, and for what it does not.
func (v *verifier) all(ctx context.Context, m *manifest) error {
	for _, s := range m.Shards {
		v.total += s.Bytes
	}
	first := 0
	for i, s := range m.Shards {
		v.with(ctx, s.File, func() {
			if v.file(ctx, s.File, s.Bytes, s.SHA256) {
				v.rows(ctx, m, i, first)
			}
		})
		first += s.Rows
	}
	if d := m.Duplicates; d != nil && d.Images > 0 {
		v.with(ctx, DuplicatesName, func() { v.file(ctx, DuplicatesName, -1, d.SHA256) })
	}
	if m.Duplicates != nil && m.Part != nil {
		for _, s := range m.Shards {
			v.expected[sumsOf(s.File)] = true
		}
	}
	if m.Quarantine != nil {
		v.quarantine(ctx, m.Quarantine)
	}
	if v.stopped == nil {
		v.others(ctx)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case v.stopped != nil:
		return errors.Join(append(v.wrong, v.stopped)...)
	}
	return nil
}

// with calls look when a file is in the folder.
func (v *verifier) with(ctx context.Context, name string, look func()) {
	if v.bucket == nil {
		look()
		return
	}
	if v.stopped != nil {
		return
	}
	v.expected[name] = true
	local := filepath.Join(v.dir, filepath.FromSlash(name))
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		v.fault(name, "it leads out of the folder")
		return
	}
	var full *tempSpaceError
	switch err := fetchObject(ctx, v.bucket, name, local); {
	case failsWhole(err), errors.As(err, &full):
		v.stopped = fmt.Errorf("%s: %w", name, err)
	case err != nil:
		v.fault(name, "%w", err)
	default:
		look()
	}
	if err := ignoreMissing(os.Remove(local)); err != nil {
		v.wrong = append(v.wrong, err)
	}
}

// fetchObject copies an object of a bucket to a file.
func fetchObject(ctx context.Context, b Bucket, name, local string) (err error) {
	o, err := b.Open(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	if err := os.MkdirAll(filepath.Dir(local), 0o700); err != nil {
		return noTempSpace(err)
	}
	f, err := os.Create(local)
	if err != nil {
		return noTempSpace(err)
	}
	err = copyObject(ctx, o, o.Size(), func(part []byte, _ int64) error {
		if _, err := f.Write(part); err != nil {
			return noTempSpace(err)
		}
		return nil
	})
	return errors.Join(err, f.Close())
}

func (v *verifier) fault(name, format string, args ...any) {
	v.wrong = append(v.wrong, fmt.Errorf("%s: "+format, append([]any{name}, args...)...))
}

// file compares a file with its size, unless that is -1, and its checksum, and reports whether it is good.
func (v *verifier) file(ctx context.Context, name string, size int64, sum string) bool {
	before := len(v.wrong)
	v.expected[name] = true
	f, err := os.Open(filepath.Join(v.dir, filepath.FromSlash(name)))
	if err != nil {
		v.wrong = append(v.wrong, err)
		return false
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
	return len(v.wrong) == before && ctx.Err() == nil
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
	v.with(ctx, QuarantineName, func() {
		if v.file(ctx, QuarantineName, -1, q.SHA256) {
			v.count(q)
		}
	})
}

// count makes sure that there are as many bad images as the manifest says.
func (v *verifier) count(q *quarantineManifest) {
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
	var list []oldBadImage
	v.with(ctx, quarantineList, func() {
		if !v.file(ctx, quarantineList, -1, q.SHA256) {
			return
		}
		var err error
		if list, err = readOldList(v.dir); err != nil {
			v.wrong = append(v.wrong, err)
		}
	})
	for _, bad := range list {
		if bad.File != "" {
			v.with(ctx, bad.File, func() { v.file(ctx, bad.File, -1, bad.SHA256) })
		}
	}
}

// others looks for files that do not belong here.
func (v *verifier) others(ctx context.Context) {
	var names iter.Seq2[string, error] = v.files
	if v.bucket != nil {
		names = func(yield func(string, error) bool) {
			for info, err := range v.bucket.List(ctx) {
				if !yield(info.Name, err) {
					return
				}
			}
		}
	}
	for name, err := range names {
		switch {
		case err != nil && v.bucket != nil:
			v.stopped = err
		case err != nil:
			v.wrong = append(v.wrong, err)
		case !v.expected[name]:
			v.fault(name, "not part of these shards")
		}
	}
}

// files yields the names of all files in the folder, slash-separated.
func (v *verifier) files(yield func(string, error) bool) {
	err := filepath.WalkDir(v.dir, func(name string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		within, err := filepath.Rel(v.dir, name)
		if !yield(filepath.ToSlash(within), err) {
			return filepath.SkipAll
		}
		return nil
	})
	if err != nil {
		yield("", err)
	}
}

// rows reads each image of shard i as training would, which also finds what a wrong writer did. Its first row is that of the whole.
func (v *verifier) rows(ctx context.Context, m *manifest, i, first int) {
	d := &shards{dir: v.dir, repair: "it is as it was written, but not as it should be: run ingest again", manifest: m}
	defer d.Close()
	info := m.Shards[i]
	content, err := mapFile(filepath.Join(v.dir, info.File), info.Bytes)
	if err == nil {
		err = d.add(i, content, first)
	}
	if err != nil {
		v.wrong = append(v.wrong, err)
		return
	}
	s := pipeline.NewSample(ctx, pipeline.Key{})
	for row := range info.Rows {
		if ctx.Err() != nil || len(v.wrong) >= 10 {
			return
		}
		if err := d.Read(ctx, first+row, s); err != nil {
			v.wrong = append(v.wrong, err)
		}
	}
}
