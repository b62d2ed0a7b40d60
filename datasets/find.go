package datasets

import (
	"context"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/goclr/goclr/pipeline"
)

// Find returns the indices of the images with a key, of which an archive may hold several. There being none is an error that names keys with the same
// last part. A name that is no UTF-8 stands for the key that it has. No more is read than the dataset needs to tell the keys.
func Find(ctx context.Context, d Dataset, key string) ([]int, error) {
	if !utf8.ValidString(key) { // the name of a file, as a shell completes it
		key = sampleKeyOf(key)
	}
	var found []int
	var near []string
	s := pipeline.NewSample(ctx, pipeline.Key{})
	for i := range d.Len() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := describe(ctx, d, i, s); err != nil {
			continue // what has no key to be found by
		}
		switch {
		case s.Key == key:
			found = append(found, i)
		case len(near) < 3 && path.Base(s.Key) == path.Base(key):
			near = append(near, s.Key)
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case len(near) > 0:
		return nil, fmt.Errorf("no image is called %q; did you mean %s?", key, strings.Join(near, " or "))
	}
	return nil, fmt.Errorf("no image is called %q, nor ends in its last part: \"ingest cat DATASET '#0'\" tells a key of this set", key)
}
