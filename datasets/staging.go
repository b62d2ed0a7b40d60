package datasets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"
)

// A stagingDir is a folder that is written under another name, "final.partial", and becomes the final one in one step:
// whoever looks sees all of it or nothing, whenever the writer dies.
type stagingDir struct {
	final, path string
	replace     bool
	dir         *os.File // holds the lock
}

// ownFiles are the names that an ingest writes; a folder with any other is not one of ours to remove.
var ownFiles = regexp.MustCompile(`^(shard-\d{5,}\.(arrow(\.partial)?|sha256)|duplicates\.jsonl|progress\.jsonl|manifest\.json|quarantine\.arrow(\.gathered)?(\.partial)?|quarantine\.jsonl|quarantine|goclr-\d+)$`)

// newStagingDir makes a staging folder for final, if there is none from an ingest that was stopped, and locks it. Where final exists, replace says whether commit may replace it: only a folder of shards, or an empty one.
func newStagingDir(final string, replace bool) (*stagingDir, error) {
	final = filepath.Clean(final)
	if err := checkReplace(final, replace); err != nil {
		return nil, err
	}
	s := &stagingDir{final: final, path: final + ".partial", replace: replace}
	if err := os.MkdirAll(s.path, 0o755); err != nil {
		return nil, fmt.Errorf("make the output folder: %w", err)
	}
	if err := s.acquire(); err != nil {
		return nil, err
	}
	if err := checkOwn(s.path); err != nil {
		s.dir.Close()
		return nil, err
	}
	return s, nil
}

// acquire locks the folder, which the system unlocks when the process ends in whatever way.
func (s *stagingDir) acquire() error {
	dir, err := os.Open(s.path)
	if err != nil {
		return err
	}
	busy := fmt.Errorf("another ingest is writing %s", s.path)
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		dir.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return busy
		}
		return fmt.Errorf("lock %s: %w", s.path, err)
	}
	held, err := dir.Stat()
	if err != nil {
		dir.Close()
		return err
	}
	if now, err := os.Stat(s.path); err != nil || !os.SameFile(held, now) {
		dir.Close()
		return busy // it was renamed between opening and locking
	}
	s.dir = dir
	return nil
}

func checkReplace(final string, replace bool) error {
	entries, err := os.ReadDir(final)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(entries) == 0:
		return nil
	case err != nil:
		return fmt.Errorf("look at the output folder: %w", err)
	case !replace:
		holds := ""
		if m, err := readManifest(final); err == nil {
			holds = ", with " + m.describe()
		}
		return fmt.Errorf("%s exists already%s: name another folder, or replace it with -force", final, holds)
	}
	if _, err := os.Stat(filepath.Join(final, manifestName)); err != nil {
		return fmt.Errorf("%s holds no shards, so -force does not replace it: name another folder", final)
	}
	old := final + oldSuffix
	if _, err := os.Lstat(old); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already: shards that an ingest was replacing when it was stopped, or yours; move it away or remove it first", old)
	}
	return checkOwn(final)
}

// oldSuffix ends the name of a folder that is being replaced.
const oldSuffix = ".old"

// checkOwn makes sure that a folder holds nothing but what ingest writes.
func checkOwn(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !ownFiles.MatchString(e.Name()) {
			return fmt.Errorf("%s holds %s, which ingest did not write: move it away first", dir, e.Name())
		}
	}
	return nil
}

// emptyOwn removes what ingest wrote into a folder.
func emptyOwn(dir string) error {
	if err := checkOwn(dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// removeOwn removes a folder that ingest wrote.
func removeOwn(dir string) error {
	if err := emptyOwn(dir); err != nil {
		return err
	}
	return os.Remove(dir)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// commit makes the folder the final one. Its files must be synced.
func (s *stagingDir) commit() error {
	defer s.dir.Close()
	if err := s.dir.Sync(); err != nil {
		return err
	}
	old := s.final + oldSuffix // there already if an ingest died between the two renames
	if s.replace {
		if err := ignoreMissing(removeOwn(old)); err != nil {
			return err
		}
		if err := ignoreMissing(os.Rename(s.final, old)); err != nil {
			return err
		}
	} else if err := ignoreMissing(os.Remove(s.final)); err != nil { // it is empty, or else this fails
		return err
	}
	if err := os.Rename(s.path, s.final); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(s.final)); err != nil {
		return err
	}
	if s.replace {
		return ignoreMissing(removeOwn(old))
	}
	return nil
}

// has reports whether the folder may have a file.
func (s *stagingDir) has(name string) bool {
	_, err := os.Lstat(filepath.Join(s.path, name))
	return !errors.Is(err, fs.ErrNotExist)
}

// leave keeps the folder for an ingest that goes on.
func (s *stagingDir) leave() error { return s.dir.Close() }

// abort removes the folder.
func (s *stagingDir) abort() error {
	defer s.dir.Close()
	return os.RemoveAll(s.path)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
