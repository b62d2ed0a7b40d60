package datasets

import (
	"errors"
	"fmt"
)

// A Reencoding is the choice to store large images smaller, as JPEG. It is made once, at ingest, and recorded in the
// manifest. The fingerprint of shards is that of the bytes they store, so a run on them is another than on the originals.
type Reencoding struct {
	// MaxSide is the longer side, in pixels as decoded, that no stored image exceeds. Images within it keep their bytes.
	MaxSide int
	// Quality of the JPEG, 1 to 100.
	Quality int
	// Encoder names the libraries that Shrink works with, for example "libvips 8.14.1": other versions may write other bytes.
	Encoder string
	// Shrink returns the encoded image as a JPEG whose longer side is maxSide. It is called from many goroutines, and the
	// same arguments must give the same bytes. An error makes the image a bad one. stages.Shrink is meant for it.
	Shrink func(image []byte, maxSide, quality int) ([]byte, error)
}

// Reencoded counts re-encoded images.
type Reencoded struct {
	Images      int   `json:"images"`
	BytesBefore int64 `json:"bytes_before"` // of these images, encoded
	BytesAfter  int64 `json:"bytes_after"`
}

func (c *Reencoded) add(other Reencoded) {
	c.Images += other.Images
	c.BytesBefore += other.BytesBefore
	c.BytesAfter += other.BytesAfter
}

func (c *Reencoded) count(r *row) {
	if r.before > 0 {
		c.Images++
		c.BytesBefore += int64(r.before)
		c.BytesAfter += int64(len(r.image))
	}
}

// check refuses a choice that cannot be carried out; nil is none, and good.
func (c *Reencoding) check() error {
	switch {
	case c == nil:
		return nil
	case c.MaxSide < 1 || c.Quality < 1 || c.Quality > 100:
		return fmt.Errorf("ingest: Reencoding.MaxSide %d must be at least 1, Quality %d must lie in 1 to 100", c.MaxSide, c.Quality)
	case c.Encoder == "" || c.Shrink == nil:
		return errors.New("ingest: Reencoding.Encoder and Shrink are required, for example stages.Shrink")
	}
	return nil
}

// wants reports whether an image of this size is to be re-encoded.
func (c *Reencoding) wants(width, height int) bool { return c != nil && max(width, height) > c.MaxSide }

// apply re-encodes the image of r, which stays as it is where that fails.
func (c *Reencoding) apply(r *row, check func([]byte) (int, int, error)) error {
	small, err := c.Shrink(r.image, c.MaxSide, c.Quality)
	if err != nil {
		return fmt.Errorf("cannot re-encode its %d x %d pixels: %w", r.width, r.height, err)
	}
	width, height, err := check(small)
	if err != nil {
		return fmt.Errorf("re-encoded, it cannot be decoded: %w", err)
	}
	if c.wants(width, height) {
		return fmt.Errorf("re-encoded, it has %d x %d pixels still", width, height)
	}
	r.before, r.image, r.width, r.height = len(r.image), small, width, height
	return nil
}

// record is what the manifest says of the choice and of what came of it.
func (c *Reencoding) record(done Reencoded) *reencodingManifest {
	if c == nil {
		return nil
	}
	return &reencodingManifest{MaxSide: c.MaxSide, Quality: c.Quality, Encoder: c.Encoder, Reencoded: done}
}
