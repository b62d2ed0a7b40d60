package datasets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// FetchQuarantine copies the bad images that a store keeps to dir, a folder that ReadQuarantine reads then. The URL is that of a folder, such as
// shards or a run, or of a file of bad images, NAME.arrow. Where the folder holds objects and none of them is such a file, there is nothing to copy; where the
// store has nothing of that name, the error is fs.ErrNotExist. Of shards of earlier versions the list comes without the bytes of the images.
func FetchQuarantine(ctx context.Context, url, dir string) (err error) {
	folder, base := splitURL(url)
	if !strings.HasSuffix(base, ".arrow") { // an archive would be fetched for nothing
		folder = ""
	}
	for _, place := range []struct{ url, name, local string }{
		{url, QuarantineName, QuarantineName},
		{url, quarantineList, quarantineList},
		{folder, base, QuarantineName},
	} {
		if place.url == "" {
			continue
		}
		err := fetchFrom(ctx, place.url, place.name, filepath.Join(dir, place.local))
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	b, err := openURL(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	for _, err := range b.List(ctx) {
		return err // one object is enough
	}
	return fmt.Errorf("%s: %w: name the folder of shards, or of a run, or its %s", url, fs.ErrNotExist, QuarantineName)
}

// fetchFrom copies an object of the bucket of a URL to a file.
func fetchFrom(ctx context.Context, url, name, local string) (err error) {
	b, err := openURL(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := fetchObject(ctx, b, name, local); err != nil {
		return fmt.Errorf("%s: %s: %w", url, name, err)
	}
	return nil
}
