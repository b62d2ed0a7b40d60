package probe

import "github.com/goclr/goclr/stages/internal/tiff"

// readTIFF reads the first directory and checks that the strips or tiles it names lie in the file.
func readTIFF(b []byte) (Info, error) {
	dir, ok := tiff.Open(b)
	if !ok {
		return Info{}, truncated("its directory")
	}
	info := Info{W: dir.First(tiff.Width), H: dir.First(tiff.Height), Orientation: dir.First(tiff.Orientation)}
	skip := func([]byte) {}
	if !dir.Blocks(tiff.StripOffsets, tiff.StripBytes, skip) || !dir.Blocks(tiff.TileOffsets, tiff.TileBytes, skip) {
		return info, truncated("its pixels")
	}
	return info, nil
}

// orientation reads the orientation from an EXIF block, with or without its "Exif" header; 0 where there is none.
func orientation(exif []byte) int {
	if prefix("Exif\x00\x00")(exif) {
		exif = exif[6:]
	}
	dir, ok := tiff.Open(exif)
	if !ok {
		return 0
	}
	return dir.First(tiff.Orientation)
}
