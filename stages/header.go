package stages

import "github.com/goclr/goclr/stages/internal/probe"

// A Header is what an image file says of itself before a pixel is decoded.
type Header struct {
	Format string // "JPEG", "PNG", "WebP", "GIF" or "TIFF"; "" where it is none of these
	W, H   int    // pixels, as Decode gives them; 0 where the file does not say
}

// ReadHeader returns what the image file b says of itself, in the time of a walk over it. An error says why Decode would refuse
// the file; what was found until then is returned with it.
func ReadHeader(b []byte) (Header, error) {
	info, err := probe.Read(b)
	w, h := upright(info)
	return Header{Format: info.Format, W: max(w, 0), H: max(h, 0)}, err
}
