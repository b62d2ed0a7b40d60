//go:build cgo

package stages

import (
	"bytes"
	"image"
	"image/png"

	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/probe"
	"github.com/goclr/goclr/stages/internal/turbo"
)

// decodeRegion makes the region r of the JPEG s.Bytes, or a little more, the image of s. It returns false for a file that
// libjpeg-turbo does not decode, or complains of: libvips, which sees it whole, then decides.
func decodeRegion(s *pipeline.Sample, r image.Rectangle) bool {
	next := s.Next(turbo.Room(r))
	got, err := turbo.Decode(next.Pix, s.Bytes, r)
	if err != nil {
		return false
	}
	*next = pipeline.Image{W: got.Dx(), H: got.Dy(), Pix: next.Pix[:3*got.Dx()*got.Dy()], Origin: got.Min}
	s.Swap()
	return true
}

// isSound reports whether the JPEG b, whose header says info, is sure to decode. It may be false of one that does, too.
func isSound(b []byte, info probe.Info) bool { return turbo.Check(b, info.W, info.H) == nil }

// smallPixels is the size up to which PNG is decoded by Go. libvips starts threads for every image, which costs 0.4 ms of CPU before
// the first pixel: twenty times what a CIFAR image takes here. The pixels are the same.
const smallPixels = 128 * 128

// decodeWhole decodes b, whose header says info, without applying the orientation.
func decodeWhole(b []byte, info probe.Info) (picture, error) {
	if info.Format == "PNG" && info.W*info.H <= smallPixels {
		if m, err := png.Decode(bytes.NewReader(b)); err == nil {
			if p, ok := plain(m); ok {
				return p, nil
			}
		}
	}
	return decodeVips(b, info)
}

// decoders names what decides the pixels. PNG is lossless, so the version of Go is no part of it.
func decoders() string { return vipsVersion() + ", " + turbo.Version() }
