package datasets

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/goclr/goclr/datasets/internal/parquet"
)

// A kind is a format of files that hold images.
type kind int

const (
	kindUnknown kind = iota
	kindTar
	kindGzip
	kindParquet
	kindList
)

// listExtensions are those of lists of images.
var listExtensions = []string{".csv", ".tsv", ".jsonl"}

// headBytes is how much of a file tells its kind.
const headBytes = 512

// kindOf tells the kind of a file by what it begins with. Where that says nothing, as of one that is empty or damaged, its name may, so that
// the error is about the archive that it should be.
func kindOf(head []byte, name string) kind {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return kindGzip
	case len(head) == headBytes && bytes.Equal(head[257:262], []byte("ustar")), isOldTar(head):
		return kindTar
	case bytes.HasPrefix(head, []byte(parquet.Magic)):
		return kindParquet
	case isList(head):
		return kindList
	}
	name = strings.ToLower(name)
	switch {
	case path.Ext(name) == ".tar":
		return kindTar
	case path.Ext(name) == tableExtension:
		return kindParquet
	case slices.Contains(listExtensions, path.Ext(name)):
		return kindList
	case strings.HasSuffix(name, ".tar.gz"), path.Ext(name) == ".tgz":
		return kindGzip
	}
	return kindUnknown
}

// isOldTar reports whether head is the header of an archive from before there was a magic word: its checksum is right.
func isOldTar(head []byte) bool {
	if len(head) < headBytes || head[0] == 0 {
		return false
	}
	sum, want, digits := 0, 0, 0
	for i, c := range head {
		if i >= 148 && i < 156 {
			if c >= '0' && c <= '7' {
				want = 8*want + int(c-'0')
				digits++
			}
			c = ' '
		}
		sum += int(c)
	}
	return digits > 0 && sum == want
}
