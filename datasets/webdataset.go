package datasets

import (
	"fmt"
	"path"
	"strings"
)

// A webDataset finds the classes of images in archives by the files beside them, as 0001.cls or 0001.json beside 0001.jpg: members whose names
// are the same up to the first dot of the last part are a sample, and lie next to one another. Where no image has such a file, all are passed on
// as they come, to be classed by their folders.
type webDataset struct {
	list *lister

	key    string // of the sample
	stem   string // of the last of its members
	images []member
	labels []sampleLabel

	labelled int   // images that got a class from a label
	unread   error // of a label that an image would have got
	// bare has the stems and keys of images without a label.
	bare map[string]bool
	// loose are labels without an image; there may be more of them.
	loose     []sampleLabel
	moreLoose bool
}

// A sampleLabel is a file that tells a class.
type sampleLabel struct {
	member        // the file
	stem   string // its name without the extension
	class  string
	err    error // it cannot be understood
}

const (
	// mostSample is the number of members after which those with another stem are taken for another sample: names may be full of dots.
	mostSample = 1000
	// mostLoose bounds what is remembered of images and labels that lie alone.
	mostLoose = 10000
)

func newWebDataset(l *lister) *webDataset { return &webDataset{list: l, bare: map[string]bool{}} }

// sampleKey is the part of a name that the members of a sample share.
func sampleKey(name string) string {
	dir, base := path.Split(name)
	base, _, _ = strings.Cut(base, ".")
	return dir + base
}

// stemOf is a name without its extension.
func stemOf(name string) string { return strings.TrimSuffix(name, path.Ext(name)) }

// enter ends the sample before, if a member belongs to the next one.
func (w *webDataset) enter(name string) error {
	key, stem := sampleKey(name), stemOf(name)
	full := len(w.images)+len(w.labels) >= mostSample
	var err error
	if key != w.key || full && stem != w.stem {
		err = w.flush()
	}
	w.key, w.stem = key, stem
	return err
}

// image takes an image.
func (w *webDataset) image(m member) error {
	err := w.enter(m.key)
	w.images = append(w.images, m)
	return err
}

// label takes a file that tells a class, or cannot be understood.
func (w *webDataset) label(m member, class string, unread error) error {
	err := w.enter(m.key)
	w.labels = append(w.labels, sampleLabel{m, stemOf(m.key), class, unread})
	return err
}

// flush ends a sample: its images get their classes.
func (w *webDataset) flush() error {
	used := make([]bool, len(w.labels))
	for _, m := range w.images {
		k := w.choose(stemOf(m.key))
		if k < 0 {
			if len(w.bare) < mostLoose {
				w.bare[stemOf(m.key)], w.bare[w.key] = true, true
			}
		} else if label := w.labels[k]; label.err != nil {
			err := fmt.Errorf("%s: %w", label.key, label.err)
			if extension(label.key) == clsExtension { // it is there for nothing else
				return err
			}
			if w.unread == nil {
				w.unread = err
			}
		} else {
			used[k] = true
			m.class = label.class
			w.labelled++
		}
		if err := w.list.add(m); err != nil {
			return err
		}
	}
	for k, label := range w.labels {
		if used[k] || w.isOvershadowed(label, used) {
			continue
		}
		if len(w.loose) < mostLoose {
			w.loose = append(w.loose, label)
		} else {
			w.moreLoose = true
		}
	}
	w.images, w.labels = w.images[:0], w.labels[:0]
	return nil
}

// choose returns the number of the label that an image of the sample gets, by the image's stem; -1 where there is none. Its own comes first,
// then that of the whole sample, then the only one there is for the only image; .cls comes before .json.
func (w *webDataset) choose(stem string) int {
	best, rank := -1, 0
	for k, label := range w.labels {
		r := 0
		switch label.stem {
		case stem:
			r = 4
		case w.key:
			r = 2
		default:
			if len(w.labels) > 1 || len(w.images) > 1 {
				continue
			}
		}
		if extension(label.key) == clsExtension {
			r++
		}
		if best < 0 || r >= rank {
			best, rank = k, r
		}
	}
	return best
}

// isOvershadowed reports whether a label was not used because another of the same name was.
func (w *webDataset) isOvershadowed(label sampleLabel, used []bool) bool {
	for k, other := range w.labels {
		if used[k] && other.stem == label.stem {
			return true
		}
	}
	return false
}

// finish ends the last sample of the last archive. Where images have labels, their folders tell no classes, and a label without an image is listed as
// an image without bytes, so that it is among those that cannot be read.
func (w *webDataset) finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	for _, label := range w.loose {
		if w.bare[label.stem] {
			return fmt.Errorf("%s does not lie next to the image that it is the label of: write the archive again with the files in the order of "+
				"their names, as by tar --sort=name", label.key)
		}
	}
	switch {
	case w.labelled == 0:
		return nil
	case w.unread != nil:
		return w.unread
	case w.moreLoose:
		return fmt.Errorf("more than %d labels have no image beside them, the first is %s: write the archive again with the files in the order of "+
			"their names, as by tar --sort=name", mostLoose, w.loose[0].key)
	}
	w.list.byFolder, w.list.numeric = false, true
	for _, label := range w.loose {
		m := label.member
		m.class, m.offset, m.size = label.class, noBytes, 0
		if err := w.list.add(m); err != nil {
			return err
		}
	}
	return nil
}
