//go:build cgo

package stages

/*
#cgo pkg-config: vips
#include <vips/vips.h>

static void drop(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data) {}

static void silence(void) { g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING, drop, NULL); }
*/
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/goclr/goclr/stages/internal/kernel"
	"github.com/goclr/goclr/stages/internal/probe"
	"github.com/goclr/goclr/stages/internal/tiff"
	"github.com/h2non/bimg"
)

// setupVips runs before the first image. libvips gets one thread an image, whatever VIPS_CONCURRENCY says, since a worker has a core
// to itself, and no cache, since no image is decoded twice in a row. Its warnings are kept off the terminal: a quarter of ImageNet
// has metadata that it grumbles about, and what matters has been checked by package probe.
var setupVips = sync.OnceFunc(func() {
	C.vips_concurrency_set(1)
	bimg.VipsCacheSetMax(0)
	bimg.VipsCacheSetMaxMem(0)
	C.silence()
})

// decodeVips decodes b with libvips. bimg hands over encoded images only, so it is asked for the cheapest encoding of raw
// pixels: TIFF without compression. The orientation is not applied: bimg encodes a turned JPEG anew on the way.
func decodeVips(b []byte, info probe.Info) (picture, error) {
	setupVips()
	tiff, err := bimg.NewImage(b).Process(bimg.Options{Type: bimg.TIFF, NoAutoRotate: true})
	if err != nil {
		return nil, fmt.Errorf("%w: libvips cannot decode this %s file: %s",
			ErrCorrupt, info.Format, strings.Join(strings.Fields(err.Error()), " "))
	}
	m, err := parseRaw(tiff)
	if err != nil {
		return nil, fmt.Errorf("libvips gave an unexpected TIFF for this %s file: %w", info.Format, err)
	}
	return m, nil
}

// rawImage is an uncompressed 8-bit TIFF as libvips writes it: strips of RGB or RGBA pixels, one after the other.
type rawImage struct {
	w, h  int
	alpha bool
	tiff  tiff.Dir
}

// parseRaw accepts b only if it is laid out as rawImage says, with all the pixels there.
func parseRaw(b []byte) (rawImage, error) {
	dir, ok := tiff.Open(b)
	if !ok {
		return rawImage{}, errors.New("no directory")
	}
	m := rawImage{w: dir.First(tiff.Width), h: dir.First(tiff.Height), tiff: dir}
	channels := dir.First(tiff.SamplesPerPixel)
	m.alpha = channels == 4
	if channels != 3 && channels != 4 {
		return m, fmt.Errorf("%d channels", channels)
	}
	bits := dir.Find(tiff.BitsPerSample)
	for i := range bits.Len() {
		if v, _ := bits.Value(i); v != 8 {
			return m, fmt.Errorf("%d bits per sample", v)
		}
	}
	if c := dir.First(tiff.Compression); c != tiff.CompressionNone {
		return m, fmt.Errorf("compression %d", c)
	}
	if p := dir.First(tiff.Planar); p != tiff.PlanarInterleaved {
		return m, fmt.Errorf("planar configuration %d", p)
	}
	size := 0
	if !dir.Blocks(tiff.StripOffsets, tiff.StripBytes, func(strip []byte) { size += len(strip) }) || size != m.w*m.h*channels {
		return m, fmt.Errorf("%d bytes for %d x %d pixels of %d channels", size, m.w, m.h, channels)
	}
	return m, nil
}

func (m rawImage) size() (w, h int) { return m.w, m.h }

func (m rawImage) scratch() int { return 0 }

func (m rawImage) writeTo(dst, _ []byte) {
	m.tiff.Blocks(tiff.StripOffsets, tiff.StripBytes, func(strip []byte) {
		if m.alpha {
			kernel.Flatten(dst, strip)
			dst = dst[len(strip)/4*3:]
		} else {
			dst = dst[copy(dst, strip):]
		}
	})
}

// vipsVersion names the version of libvips, which decides the pixels of what it decodes.
func vipsVersion() string { return "libvips " + bimg.VipsVersion }
