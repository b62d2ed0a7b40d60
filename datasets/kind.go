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
	kindZstd
	kindParquet
	kindList
)

// String names a compressed format in messages.
func (k kind) String() string {
	if k == kindGzip {
		return "gzip"
	}
	return "zstd"
}

// isArchive reports whether files of a kind hold others.
func (k kind) isArchive() bool { return k == kindTar || k.isPacked() }

// isPacked reports whether files of a kind are compressed.
func (k kind) isPacked() bool { return k == kindGzip || k == kindZstd }

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
	case isZstd(head):
		return kindZstd
	case len(head) == headBytes && bytes.Equal(head[257:262], []byte("ustar")), isOldTar(head):
		return kindTar
	case bytes.HasPrefix(head, []byte(parquet.Magic)):
		return kindParquet
	case isList(head):
		return kindList
	}
	return kindOfName(name)
}

// kindOfName tells the kind of a file by its name.
func kindOfName(name string) kind {
	name = strings.ToLower(name)
	switch ext := path.Ext(name); {
	case ext == ".tar":
		return kindTar
	case ext == tableExtension:
		return kindParquet
	case slices.Contains(listExtensions, ext):
		return kindList
	case strings.HasSuffix(name, ".tar.gz"), ext == ".tgz":
		return kindGzip
	case strings.HasSuffix(name, ".tar.zst"), ext == ".tzst":
		return kindZstd
	}
	return kindUnknown
}

// unpackedName is what a compressed file is called when it is unpacked.
func unpackedName(name string) string {
	ext := path.Ext(name)
	name = strings.TrimSuffix(name, ext)
	if ext = strings.ToLower(ext); ext == ".tgz" || ext == ".tzst" {
		name += ".tar"
	}
	return name
}

// isZstd reports whether head begins a frame of zstd, or one that it passes over.
func isZstd(head []byte) bool {
	return len(head) >= 4 && (bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}) || head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18}))
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
