package datasets

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/goclr/goclr/pipeline"
)

// A file is one regular file of a folder or archive.
type file struct {
	name   string // slash-separated path within the folder or archive
	offset int64  // of its content in the archive
	size   int64  // bytes
}

// imageExtensions are those of the formats that stages.Decode reads.
var imageExtensions = []string{".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff"}

func isImage(name string) bool {
	return slices.Contains(imageExtensions, strings.ToLower(path.Ext(name)))
}

// isHidden reports whether a part of the path marks files that systems leave behind: ".DS_Store", "._a.jpg", "__MACOSX".
func isHidden(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") || part == "__MACOSX" {
			return true
		}
	}
	return false
}

// An index says which files are images and what their labels are: the part that folders and archives share.
type index struct {
	classes     []string
	files       []file
	labels      []int32
	fingerprint func() string
}

// newIndex picks the images of one split out of the files, in their order. The class of an image is the folder it lies in,
// its split the folder above; images in no folder have no label. Labels number the sorted classes of all splits.
func newIndex(files []file, split string) (*index, error) {
	images, err := pickImages(files)
	if err != nil {
		return nil, err
	}
	depth := strings.Count(images[0].name, "/")
	classes, splits := map[string]bool{}, map[string]bool{}
	for _, f := range images {
		if strings.Count(f.name, "/") != depth {
			return nil, fmt.Errorf("images lie at different depths (%s, %s); lay all of them out as class/name or as "+
				"split/class/name", images[0].name, f.name)
		}
		s, c := place(f.name)
		if !utf8.ValidString(c) {
			return nil, fmt.Errorf("the class of %q is not UTF-8: rename the folder", f.name)
		}
		splits[s], classes[c] = true, true
	}
	split, err = chooseSplit(slices.Sorted(maps.Keys(splits)), split)
	if err != nil {
		return nil, err
	}
	x := &index{}
	if depth > 0 {
		x.classes = slices.Sorted(maps.Keys(classes))
	}
	for _, f := range images {
		s, c := place(f.name)
		if s != split {
			continue
		}
		label, found := slices.BinarySearch(x.classes, c)
		if !found {
			label = -1
		}
		x.files = append(x.files, f)
		x.labels = append(x.labels, int32(label))
	}
	x.fingerprint = sync.OnceValue(x.digest)
	return x, nil
}

func pickImages(files []file) ([]file, error) {
	var images []file
	others := map[string]int{}
	for _, f := range files {
		switch {
		case isHidden(f.name):
		case isImage(f.name):
			images = append(images, f)
		default:
			others[strings.ToLower(path.Ext(f.name))]++
		}
	}
	if len(images) > 0 {
		return images, nil
	}
	if len(others) == 0 {
		return nil, errors.New("no images: it holds no files")
	}
	kinds := slices.Sorted(maps.Keys(others))
	return nil, fmt.Errorf("no images: its files end in %q; images end in %s",
		kinds[:min(len(kinds), 5)], strings.Join(imageExtensions, ", "))
}

// place returns the folder above the image's folder, and the image's folder; "" where there is none.
func place(name string) (split, class string) {
	dir := path.Dir(name)
	if dir == "." {
		return "", ""
	}
	if above := path.Dir(dir); above != "." {
		split = path.Base(above)
	}
	return split, path.Base(dir)
}

// chooseSplit returns the wanted split, or the only one where none is named.
func chooseSplit(have []string, want string) (string, error) {
	if want == "" && len(have) == 1 {
		return have[0], nil
	}
	if want == "" {
		return "", fmt.Errorf("several splits (%s): add one to the name, as in \"#%s\"",
			strings.Join(have, ", "), have[0])
	}
	if slices.Contains(have, want) {
		return want, nil
	}
	if len(have) == 1 && have[0] == "" {
		return "", fmt.Errorf("no split %q: its images are not in splits; leave \"#%s\" out", want, want)
	}
	return "", fmt.Errorf("no split %q; it has %s", want, strings.Join(have, ", "))
}

// describe implements describer.
func (x *index) describe(i int, s *pipeline.Sample) error {
	s.Key, s.Label = x.files[i].name, x.labels[i]
	return nil
}

// digest names the content by classes, names, labels and sizes.
func (x *index) digest() string {
	d := newDigest("index")
	d.list(x.classes)
	for i, f := range x.files {
		d.text(f.name)
		d.number(uint64(f.size))
		d.number(uint64(int64(x.labels[i])))
	}
	return d.sum()
}

// A digest is a SHA-256 over items that cannot run into one another.
type digest struct{ h hash.Hash }

func newDigest(kind string) digest {
	d := digest{sha256.New()}
	d.text("goclr " + kind)
	return d
}

func (d digest) number(n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	d.h.Write(b[:])
}

func (d digest) text(s string) {
	d.number(uint64(len(s)))
	d.h.Write([]byte(s))
}

func (d digest) bytes(b []byte) {
	d.number(uint64(len(b)))
	d.h.Write(b)
}

func (d digest) list(l []string) {
	d.number(uint64(len(l)))
	for _, s := range l {
		d.text(s)
	}
}

func (d digest) sum() string { return "sha256:" + hex.EncodeToString(d.h.Sum(nil)) }
