package datasets

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
)

// folderNames are the names of what a folder holds, hidden files left out, in order. A folder may have millions: each takes 8 bytes of
// memory, and the names lie in a spool.
type folderNames struct {
	names  *spool
	places []uint64 // offset<<nameBits | length
}

// nameBits are enough for the length of a name: file systems allow 255 bytes, and a few of them some hundred more.
const nameBits = 16

// readFolder reads the names of a folder.
func readFolder(ctx context.Context, dir string) (_ *folderNames, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	f := &folderNames{names: newSpool("")}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	for {
		names, err := d.Readdirnames(4096)
		for _, name := range names {
			if isHidden(name) {
				continue
			}
			f.places = append(f.places, uint64(f.names.len())<<nameBits|uint64(len(name)))
			if err := f.names.append([]byte(name)...); err != nil {
				return nil, err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err := errors.Join(err, ctx.Err()); err != nil {
			return nil, err
		}
	}
	if err := f.names.seal(); err != nil {
		return nil, err
	}
	slices.SortFunc(f.places, func(a, b uint64) int { return bytes.Compare(f.name(a), f.name(b)) })
	return f, nil
}

// name is that at a place; it must not be changed, nor used after close.
func (f *folderNames) name(place uint64) []byte {
	start := place >> nameBits
	return f.names.sealed[start : start+place&(1<<nameBits-1)]
}

func (f *folderNames) close() error { return f.names.close() }
