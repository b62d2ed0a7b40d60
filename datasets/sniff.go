package datasets

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// imageExtensions are those of the formats that stages.Decode reads.
var imageExtensions = []string{".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff"}

func isImage(name string) bool { return slices.Contains(imageExtensions, extension(name)) }

// extension is that of a name, in small letters.
func extension(name string) string { return strings.ToLower(path.Ext(name)) }

// otherExtensions are those of files that are none of these images, which nobody needs to open to know.
var otherExtensions = func() map[string]bool {
	m := map[string]bool{}
	for ext := range strings.FieldsSeq(`.txt .md .rst .tex .html .htm .css .js .xml .json .jsonl .ndjson .csv .tsv .yaml .yml .toml .ini .cfg .log
		.pdf .doc .docx .xls .xlsx .ppt .pptx .odt .rtf .py .pyc .pyd .ipynb .sh .bat .m .c .cc .cpp .h .go .rs .java .r .lua
		.zip .rar .7z .gz .bz2 .xz .zst .lz4 .tar .tgz .tzst .npy .npz .pt .pth .ten .mp .pkl .pickle .mat .h5 .hdf5 .bin .parquet .arrow .feather
		.tfrecord .tfrecords .rec .idx .lst .mdb .lmdb .db .sqlite .sqlite3 .safetensors .onnx .cls .cls2 .index .lock .md5 .sha1 .sha256 .sig
		.bmp .ppm .pgm .pbm .svg .heic .heif .avif .jp2 .jxl .psd .ico .raw .cr2 .nef .dng .exr .hdr .dcm .nii
		.mp3 .wav .flac .ogg .m4a .mp4 .m4v .avi .mov .mkv .webm .mpg .mpeg .srt .vtt`) {
		m[ext] = true
	}
	return m
}()

// sniffBytes is how much of a file tells whether it is an image.
const sniffBytes = 16

// looksLikeImage tells by what a file begins with whether it is in one of the formats of imageExtensions.
func looksLikeImage(head []byte) bool {
	for _, magic := range []string{"\xff\xd8\xff", "\x89PNG\r\n\x1a\n", "GIF87a", "GIF89a", "II*\x00", "MM\x00*"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	return len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP"
}

// A sniffer tells images from other files, by their names or else by what they begin with.
type sniffer struct {
	// learns has it open no more files with an extension that said the same each time, because to open one takes a request.
	learns bool
	seen   map[string]*tally // by extension
}

// A tally is what was found in files with an extension.
type tally struct{ images, others int }

// How many files teach a sniffer that an extension means images, or other files. The latter needs more, because what it does not open is not there,
// while a file that is taken for an image turns out not to be one when it is read.
const (
	learnImages = 100
	learnOthers = 1000
	mostTallies = 1000 // extensions, so that names made of numbers take no memory
)

// isImage tells whether a file is an image. The function head returns what it begins with.
func (s *sniffer) isImage(name string, head func() ([]byte, error)) (bool, error) {
	if isImage(name) {
		return true, nil
	}
	ext := extension(name)
	if otherExtensions[ext] {
		return false, nil
	}
	t := s.tally(ext)
	switch {
	case t.others == 0 && t.images >= learnImages:
		return true, nil
	case t.images == 0 && t.others >= learnOthers && ext != "":
		return false, nil
	}
	b, err := head()
	if err != nil {
		return false, err
	}
	if looksLikeImage(b) {
		t.images++
		return true, nil
	}
	t.others++
	return false, nil
}

// tally returns that of an extension, or an empty one where nothing is learnt.
func (s *sniffer) tally(ext string) *tally {
	t := s.seen[ext]
	if t == nil {
		t = &tally{}
		if s.learns && len(s.seen) < mostTallies {
			if s.seen == nil {
				s.seen = map[string]*tally{}
			}
			s.seen[ext] = t
		}
	}
	return t
}
