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
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow/memory"
)

// MergeOptions says how Merge works. The zero value is good.
type MergeOptions struct {
	// Replace lets Merge replace a folder of shards that exists already. Default false.
	Replace bool
	// Progress is called now and then while duplicates of different parts are left out. Default none.
	Progress func(IngestProgress)
}

// Merge makes one folder of shards of what Ingest wrote for all parts of a dataset, in any order, wherever they were written. Files are
// linked where the file system can, else copied and compared with their checksums. The result is that of one Ingest of the whole.
// The parts are left as they are. What an Ingest with too many bad images leaves beside its folder may be named too, as by "parts/*": it is
// passed over.
func Merge(ctx context.Context, dir string, parts []string, o MergeOptions) (Summary, error) {
	m, err := readParts(parts, o)
	if err != nil {
		return Summary{}, fmt.Errorf("cannot merge: %w", err)
	}
	staging, err := newStagingDir(dir, o.Replace)
	if err != nil {
		return Summary{}, fmt.Errorf("cannot merge: %w", explainWrite(err))
	}
	err = emptyOwn(staging.path)
	if err == nil {
		err = m.merge(ctx, staging.path)
	}
	if err == nil {
		err = explainWrite(staging.commit())
	} else {
		err = errors.Join(err, staging.abort())
	}
	if err != nil {
		return Summary{}, fmt.Errorf("cannot merge: %w", err)
	}
	return m.whole.summary(0), nil
}

// A merger has the folders of all parts, in order, and the manifest of the whole.
type merger struct {
	o     MergeOptions
	dirs  []string
	parts []*manifest
	whole manifest
}

// readParts reads the manifests of all parts, and makes sure that they belong together and that none is missing.
func readParts(dirs []string, o MergeOptions) (*merger, error) {
	m := &merger{o: o}
	for _, dir := range dirs {
		if !strings.HasSuffix(dir, quarantineBeside("")) {
			m.dirs = append(m.dirs, dir)
		}
	}
	byDir := map[string]*manifest{}
	for _, dir := range m.dirs {
		p, err := readManifest(dir)
		if err != nil {
			return nil, err
		}
		if p.Part == nil {
			return nil, fmt.Errorf("%s is no part: it holds a whole data set", dir)
		}
		byDir[dir] = p
	}
	slices.SortStableFunc(m.dirs, func(a, b string) int { return cmp.Compare(byDir[a].Part.Index, byDir[b].Part.Index) })
	for i, dir := range m.dirs {
		p, first := byDir[dir], byDir[m.dirs[0]]
		if why := first.differs(p); why != "" {
			return nil, fmt.Errorf("%s and %s do not belong together: %s; ingest all parts of one source with the same flags", m.dirs[0], dir, why)
		}
		if i > 0 && p.Part.Index == byDir[m.dirs[i-1]].Part.Index {
			return nil, fmt.Errorf("%s and %s both hold part %d", m.dirs[i-1], dir, p.Part.Index)
		}
		m.parts = append(m.parts, p)
	}
	if len(m.parts) == 0 {
		return nil, errors.New("no parts are named")
	}
	var missing []int
	for k := range m.parts[0].Part.Of {
		if !slices.ContainsFunc(m.parts, func(p *manifest) bool { return p.Part.Index == k+1 }) {
			missing = append(missing, k+1)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("of %d parts, %v are missing: ingest them too, by -part, and name all", m.parts[0].Part.Of, missing[:min(len(missing), 10)])
	}
	return m, nil
}

// differs says in what the whole of another part is another one; "" if it is the same.
func (m *manifest) differs(other *manifest) string {
	a, b := *m.Part, *other.Part
	a.Index = b.Index
	switch {
	case m.Source != other.Source || a.Images != b.Images || !slices.Equal(m.Classes, other.Classes):
		return "they are of other images"
	case a.Of != b.Of:
		return fmt.Sprintf("one is of %d parts, the other of %d", a.Of, b.Of)
	case m.choice() != other.choice():
		return "images are re-encoded in another way"
	case m.Check != other.Check:
		return fmt.Sprintf("images are checked with %s for one and %s for the other", cmp.Or(m.Check, "the default"), cmp.Or(other.Check, "the default"))
	case (m.Duplicates == nil) != (other.Duplicates == nil):
		return "duplicates are left out of one only"
	case a.Shards != b.Shards:
		return fmt.Sprintf("one counts on %d shards, the other on %d", a.Shards, b.Shards)
	}
	return ""
}

// merge fills the folder.
func (m *merger) merge(ctx context.Context, dir string) error {
	first := m.parts[0]
	m.whole = manifest{Format: formatName, Version: formatVersion, Classes: first.Classes, Source: first.Source, Check: first.Check}
	if r := first.Reencoding; r != nil {
		m.whole.Reencoding = &reencodingManifest{MaxSide: r.MaxSide, Quality: r.Quality, Encoder: r.Encoder}
	}
	var content contentSum
	bad := 0
	for i, p := range m.parts {
		if err := p.checkQuarantine(m.dirs[i]); err != nil {
			return err
		}
		if p.Quarantine != nil {
			bad += p.Quarantine.Images
		}
		var sum contentSum
		if err := sum.UnmarshalText([]byte(p.Content)); err != nil {
			return fmt.Errorf("%s: %w", m.dirs[i], err)
		}
		content.add(sum)
		for _, s := range p.Shards {
			if err := linkOrCopy(ctx, filepath.Join(m.dirs[i], s.File), filepath.Join(dir, s.File), s); err != nil {
				return err
			}
			if first.Duplicates == nil {
				continue
			}
			sums, err := os.ReadFile(filepath.Join(m.dirs[i], sumsOf(s.File)))
			if err == nil {
				err = writeFile(createFile, filepath.Join(dir, sumsOf(s.File)), sums)
			}
			if err != nil {
				return err
			}
		}
		m.whole.Shards = append(m.whole.Shards, p.Shards...)
		m.whole.Rows += p.Rows
		m.whole.Bytes += p.Bytes
		if p.Reencoding != nil {
			m.whole.Reencoding.add(p.Reencoding.Reencoded)
		}
	}
	m.whole.Content = content.String()
	if err := m.whole.account(bad, first.Part.Images); err != nil {
		return err
	}
	if m.whole.Rows == 0 {
		return errors.New("no image is left")
	}
	if first.Duplicates != nil {
		if err := m.whole.removeDuplicates(ctx, dir, createFile, memory.NewGoAllocator(), m.o.Progress); err != nil {
			return err
		}
	}
	var err error
	if m.whole.Quarantine, err = gatherQuarantine(dir, m.dirs, asTheyAre, createFile, memory.NewGoAllocator()); err != nil {
		return err
	}
	return errors.Join(m.whole.write(dir, createFile), removeSums(dir))
}

// checkQuarantine makes sure that the bad images of a part have come along, all of them.
func (m *manifest) checkQuarantine(dir string) error {
	if m.Quarantine == nil {
		return nil
	}
	sum, err := sumOfFile(filepath.Join(dir, QuarantineName))
	if err == nil && sum != m.Quarantine.SHA256 {
		err = fmt.Errorf("%s is damaged: its SHA-256 does not match", filepath.Join(dir, QuarantineName))
	}
	if err != nil {
		return fmt.Errorf("%d bad images of %s: %w; copy that part again, or ingest it again", m.Quarantine.Images, dir, err)
	}
	return nil
}

// linkOrCopy gives a shard a second name, or copies it.
func linkOrCopy(ctx context.Context, from, to string, s shardInfo) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if info.Size() != s.Bytes {
		return fmt.Errorf("%s has %d bytes, the manifest says %d: ingest that part again", from, info.Size(), s.Bytes)
	}
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := createFile(to)
	if err != nil {
		return explainWrite(err)
	}
	sum := sha256.New()
	for err == nil && ctx.Err() == nil {
		_, err = io.CopyN(io.MultiWriter(out, sum), in, 4<<20)
	}
	if err := errors.Join(ignoreEnd(err), ctx.Err(), out.Sync(), out.Close()); err != nil {
		return explainWrite(err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != s.SHA256 {
		return fmt.Errorf("%s is damaged: its SHA-256 does not match; ingest that part again", from)
	}
	return nil
}
