package datasets

import (
	"context"
	"encoding/binary"
	"path"
	"slices"
	"strings"
)

// An archiveKey makes the key of an image that lies in one of several archives by the archive's name: of train/07.tar, train/0001.jpg is train/07/0001.jpg.
type archiveKey struct {
	folder string
	name   string // "": keys are names alone
}

func (a archiveKey) key(name string) string {
	if a.name == "" {
		return name
	}
	return path.Join(a.name, strings.TrimPrefix(name, a.folder+"/"))
}

// archiveKeys are by the names of archives without their extensions, unless two are then the same.
func archiveKeys(names []string) []archiveKey {
	stems := make([]string, len(names))
	for i, name := range names {
		stems[i] = strings.TrimSuffix(name, path.Ext(name))
		if inner := path.Ext(stems[i]); inner == ".tar" { // of .tar.gz
			stems[i] = strings.TrimSuffix(stems[i], inner)
		}
	}
	if len(set(stems)) < len(names) {
		stems = names
	}
	keys := make([]archiveKey, len(names))
	for i, name := range names {
		keys[i] = archiveKey{path.Dir(name), stems[i]}
	}
	return keys
}

// tellApart gives keys by archives to all images of a folder in which two archives hold images of the same name, as those do that count from 0 each. It takes
// 8 bytes of memory an image while it looks.
func (x *listing) tellApart(ctx context.Context, archives []string) error {
	shared, err := x.sharedNames(ctx)
	if err != nil || len(shared) == 0 {
		return err
	}
	keys := archiveKeys(archives)
	folders := map[string]bool{}
	for i := range x.all {
		if i%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if _, found := slices.BinarySearch(shared, keyID(x.key(i))); found {
			folders[keys[x.object(i)].folder] = true
		}
	}
	for i := range keys {
		if !folders[keys[i].folder] {
			keys[i].name = ""
		}
	}
	x.archives = keys
	return nil
}

// sharedNames returns the hashes of names that images of several archives have, in order.
func (x *listing) sharedNames(ctx context.Context) ([]uint64, error) {
	all := make([]uint64, 0, x.all) // each once for an archive
	from, archive := 0, uint32(0)
	once := func() {
		slices.Sort(all[from:])
		all = all[:from+len(slices.Compact(all[from:]))]
		from = len(all)
	}
	for i := range x.all {
		if i%1000 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if object := x.object(i); object != archive {
			once()
			archive = object
		}
		all = append(all, keyID(x.key(i)))
	}
	once()
	slices.Sort(all)
	shared := all[:0]
	for i := 1; i < len(all); i++ {
		if all[i] == all[i-1] {
			shared = append(shared, all[i])
		}
	}
	return shared, nil
}

// object is that which a member of any split lies in.
func (x *listing) object(i int) uint32 { return binary.LittleEndian.Uint32(x.record(i)[24:]) }
