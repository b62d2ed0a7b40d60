package datasets

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
)

const (
	quarantineList = "quarantine.jsonl"
	quarantineDir  = "quarantine"
)

// A BadImage is an image that Ingest refused.
type BadImage struct {
	Index  int    `json:"index"` // in the source
	Key    string `json:"key"`
	Label  int32  `json:"label"`
	Reason string `json:"reason"`
	File   string `json:"file,omitempty"`   // the copy, relative to the folder; none where the source gave no bytes
	SHA256 string `json:"sha256,omitempty"` // of the copy
}

// A quarantine collects bad images in a folder: a copy of each and a list with the reasons.
type quarantine struct {
	dir    string
	create func(string) (outputFile, error)
	list   bytes.Buffer
	first  []BadImage // for the error message
	count  int
}

var unsafeInName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// add copies image, which may be nil, and remembers why it is here.
func (q *quarantine) add(bad BadImage, image []byte) error {
	if image != nil {
		sum := sha256.Sum256(image)
		name := unsafeInName.ReplaceAllString(path.Base(bad.Key), "_")
		name = name[max(0, len(name)-100):]
		bad.File = fmt.Sprintf("%s/%08d-%s", quarantineDir, bad.Index, name)
		bad.SHA256 = hex.EncodeToString(sum[:])
		if q.count == 0 || !q.hasDir() {
			if err := os.Mkdir(filepath.Join(q.dir, quarantineDir), 0o755); err != nil {
				return explainWrite(err)
			}
		}
		if err := q.write(bad.File, image); err != nil {
			return err
		}
	}
	line, err := json.Marshal(bad)
	if err != nil {
		return err
	}
	q.list.Write(append(line, '\n'))
	if q.count++; len(q.first) < 3 {
		q.first = append(q.first, bad)
	}
	return nil
}

func (q *quarantine) hasDir() bool {
	_, err := os.Stat(filepath.Join(q.dir, quarantineDir))
	return err == nil
}

func (q *quarantine) write(name string, b []byte) error {
	return writeFile(q.create, filepath.Join(q.dir, name), b)
}

// finish writes the list, if there is anything in it.
func (q *quarantine) finish() (*quarantineManifest, error) {
	if q.count == 0 {
		return nil, nil
	}
	if q.hasDir() {
		if err := syncDir(filepath.Join(q.dir, quarantineDir)); err != nil {
			return nil, explainWrite(err)
		}
	}
	if err := q.write(quarantineList, q.list.Bytes()); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(q.list.Bytes())
	return &quarantineManifest{Images: q.count, SHA256: hex.EncodeToString(sum[:])}, nil
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

// readQuarantine reads the list.
func readQuarantine(b []byte) ([]BadImage, error) {
	var list []BadImage
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var bad BadImage
		if err := json.Unmarshal(lines.Bytes(), &bad); err != nil {
			return nil, fmt.Errorf("%s line %d: %w", quarantineList, len(list)+1, err)
		}
		list = append(list, bad)
	}
	return list, lines.Err()
}
