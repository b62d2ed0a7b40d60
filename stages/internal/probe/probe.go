// Package probe reads the outside of an image file: format, size, EXIF orientation, and whether the file is whole. It looks at
// every byte range the format declares but decodes no pixel, so it takes no memory and its time is that of a walk over the file.
package probe

import (
	"errors"
	"fmt"

	"github.com/goclr/goclr/stages/internal/tiff"
)

// The reasons for refusing a file. Errors of Read wrap one of them.
var (
	ErrEmpty     = errors.New("the file is empty (0 bytes)")
	ErrFormat    = errors.New("not a JPEG, PNG, WebP, GIF or TIFF image")
	ErrTruncated = errors.New("the image is truncated")
	ErrCorrupt   = errors.New("the image is damaged")
)

// Info is what a file says about its image.
type Info struct {
	Format      string // "JPEG", "PNG", "WebP", "GIF" or "TIFF"
	W, H        int    // pixels as stored, before the orientation is applied
	Orientation int    // EXIF: 1 to 8, 1 where the file names none
}

// Read describes the image file b.
func Read(b []byte) (Info, error) {
	if len(b) == 0 {
		return Info{}, ErrEmpty
	}
	for _, f := range formats {
		if !f.match(b) {
			continue
		}
		info, err := f.read(b)
		info.Format = f.name
		if err != nil {
			return info, fmt.Errorf("%w: %s file of %d bytes", err, f.name, len(b))
		}
		if info.W <= 0 || info.H <= 0 {
			return info, fmt.Errorf("%w: %s file says its size is %d x %d pixels", ErrCorrupt, f.name, info.W, info.H)
		}
		if info.Orientation < 1 || info.Orientation > 8 {
			info.Orientation = 1
		}
		return info, nil
	}
	return Info{}, fmt.Errorf("%w: it begins with %q", ErrFormat, b[:min(len(b), 12)])
}

var formats = []struct {
	name  string
	match func([]byte) bool
	read  func([]byte) (Info, error)
}{
	{"JPEG", prefix("\xff\xd8\xff"), readJPEG},
	{"PNG", prefix("\x89PNG\r\n\x1a\n"), readPNG},
	{"WebP", isWebP, readWebP},
	{"GIF", isGIF, readGIF},
	{"TIFF", tiff.Is, readTIFF},
}

func prefix(p string) func([]byte) bool {
	return func(b []byte) bool { return len(b) >= len(p) && string(b[:len(p)]) == p }
}

// truncated reports the part of a file that is missing.
func truncated(what string) error { return fmt.Errorf("%w: it ends before %s", ErrTruncated, what) }

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}
