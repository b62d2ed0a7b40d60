package datasets

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const journalName = "progress.jsonl"

// A journal is a file in the folder of an unfinished ingest that says which shards are complete: the plan on its first line, then a
// shardRecord on a line for each. An ingest that goes on keeps these.
type journal struct {
	file *os.File
	done map[int]shardRecord
}

// An ingestPlan is what decides the bytes of shards. Only an ingest with the same one may go on.
type ingestPlan struct {
	Version     int                 `json:"version"` // of the format
	Source      string              `json:"source"`  // fingerprint
	Images      int                 `json:"images"`
	ShardBytes  int64               `json:"shard_bytes"`
	Shards      int                 `json:"shards"` // as estimated when it began
	Part        int                 `json:"part"`   // 0 of 0: the whole
	Of          int                 `json:"of"`
	Deduplicate bool                `json:"deduplicate"`
	Check       string              `json:"check,omitempty"` // see manifest
	Reencoding  *reencodingManifest `json:"reencoding,omitempty"`
}

// plannedShards is the number of shards that an ingest by the same plan, which was stopped, has settled on in a folder; 0 if there is none.
// To estimate it anew could give another number, where an image cannot be read for a while, and so another plan.
func plannedShards(dir string, plan ingestPlan) (int, error) {
	f, err := os.Open(filepath.Join(dir, journalName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadBytes('\n')
	if err != nil {
		return 0, ignoreEnd(err) // torn
	}
	var old ingestPlan
	if json.Unmarshal(line, &old) != nil {
		return 0, nil
	}
	plan.Shards = old.Shards
	same, err := json.Marshal(plan)
	if err != nil || !bytes.Equal(bytes.TrimSuffix(line, []byte("\n")), same) || old.Shards < 1 || old.Shards > plan.Images {
		return 0, err
	}
	return old.Shards, nil
}

// openJournal goes on with the journal in a folder, or begins one where there is none. One of another plan that has shards is an error, unless it
// may be cleared away.
func openJournal(dir string, plan ingestPlan, replace bool) (*journal, error) {
	first, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	first = append(first, '\n')
	name := filepath.Join(dir, journalName)
	old, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if bytes.HasPrefix(old, first) {
		return resumeJournal(dir, name, old, len(first), plan.Deduplicate)
	}
	if bytes.Count(old, []byte("\n")) > 1 && !replace {
		return nil, fmt.Errorf("%s has what an ingest of other images, or with other flags, had written when it was stopped: "+
			"run that one again, to go on, or clear it away with -force", dir)
	}
	if err := emptyOwn(dir); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, explainWrite(err)
	}
	j := &journal{file: f, done: map[int]shardRecord{}}
	if err := errors.Join(j.write(first), syncDir(dir)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

// resumeJournal takes up the lines behind the plan, and drops what a kill may have torn.
func resumeJournal(dir, name string, content []byte, at int, sums bool) (*journal, error) {
	j := &journal{done: map[int]shardRecord{}}
	lines := bufio.NewReader(bytes.NewReader(content[at:]))
	for {
		line, err := lines.ReadBytes('\n')
		var r shardRecord
		if err != nil || json.Unmarshal(line, &r) != nil {
			break
		}
		at += len(line)
		if r.isIn(dir, sums) {
			j.done[r.Shard] = r
		}
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	j.file = f
	err = f.Truncate(int64(at))
	if err == nil {
		_, err = f.Seek(int64(at), 0)
	}
	if err == nil {
		err = removeUnrecorded(dir, j.done)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

// isIn reports whether the shard is in a folder, by its size, and with its sums where they are wanted. It is not when an ingest was stopped
// while it removed duplicates.
func (r *shardRecord) isIn(dir string, sums bool) bool {
	if r.Info == nil {
		return true
	}
	has := func(name string, size int64) bool {
		info, err := os.Stat(filepath.Join(dir, name))
		return err == nil && info.Size() == size
	}
	return has(r.Info.File, r.Info.Bytes) && (!sums || has(sumsOf(r.Info.File), int64(r.Info.Rows)*sha256.Size))
}

// removeUnrecorded removes shards that were not complete, and what comes after them.
func removeUnrecorded(dir string, done map[int]shardRecord) error {
	keep := map[string]bool{journalName: true, QuarantineName: true}
	for _, r := range done {
		if r.Info != nil {
			keep[r.Info.File], keep[sumsOf(r.Info.File)] = true, true
		}
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if !keep[e.Name()] {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// add records a shard, whose file is complete and has its name.
func (j *journal) add(dir string, r shardRecord) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := syncDir(dir); err != nil { // the name of the shard, before it is said to be there
		return err
	}
	return j.write(append(line, '\n'))
}

func (j *journal) write(line []byte) error {
	_, err := j.file.Write(line)
	if err := errors.Join(err, j.file.Sync()); err != nil {
		return fmt.Errorf("record what is done: %w", explainWrite(err))
	}
	return nil
}

func (j *journal) close() error { return j.file.Close() }
