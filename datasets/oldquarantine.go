package datasets

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// What ingest wrote before there was quarantine.arrow: a list of bad images and a folder of copies. It is read still.
const quarantineList = "quarantine.jsonl"

// An oldBadImage is a line of the list.
type oldBadImage struct {
	Index  int    `json:"index"`
	Key    string `json:"key"`
	Label  int32  `json:"label"`
	Reason string `json:"reason"`
	File   string `json:"file"`   // the copy, relative to the folder; none where the source gave no bytes
	SHA256 string `json:"sha256"` // of the copy
}

func readOldList(dir string) ([]oldBadImage, error) {
	b, err := os.ReadFile(filepath.Join(dir, quarantineList))
	if err != nil {
		return nil, err
	}
	var list []oldBadImage
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var bad oldBadImage
		if err := json.Unmarshal(lines.Bytes(), &bad); err != nil {
			return nil, fmt.Errorf("%s line %d: %w", quarantineList, len(list)+1, err)
		}
		list = append(list, bad)
	}
	return list, lines.Err()
}

// readOldQuarantine yields the images of the list with their copies.
func readOldQuarantine(dir string, yield func(BadImage, error) bool) {
	list, err := readOldList(dir)
	if err != nil {
		yield(BadImage{}, err)
		return
	}
	for _, old := range list {
		bad := BadImage{ID: uint64(old.Index), Key: old.Key, Label: old.Label, Stage: StageRead, Reason: old.Reason}
		if old.File != "" {
			bad.Stage = StageDecode
			if !filepath.IsLocal(old.File) {
				err = fmt.Errorf("%s names the file %q outside of %s", quarantineList, old.File, dir)
			} else if bad.Bytes, err = os.ReadFile(filepath.Join(dir, old.File)); errors.Is(err, fs.ErrNotExist) {
				err = nil // the list alone was kept
			}
		}
		if !yield(bad, err) || err != nil {
			return
		}
	}
}
