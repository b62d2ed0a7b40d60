package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/goclr/goclr/datasets"
)

// A smallDisk is a file system in memory that has an end.
type smallDisk struct{ dir string }

// mountDisk mounts a disk of so many bytes. It fails where that is not permitted.
func mountDisk(dir string, size int64) (smallDisk, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return smallDisk{}, err
	}
	return smallDisk{dir}, unix.Mount("tmpfs", dir, "tmpfs", 0, sizeOption(size))
}

// grow gives the disk another size.
func (d smallDisk) grow(size int64) error {
	return unix.Mount("tmpfs", d.dir, "tmpfs", unix.MS_REMOUNT, sizeOption(size))
}

// unmount ends the disk; one that stays is told.
func (d smallDisk) unmount() {
	if err := unix.Unmount(d.dir, unix.MNT_DETACH); err != nil {
		log.Printf("unmount %s: %v", d.dir, err)
	}
}

func sizeOption(size int64) string { return "size=" + strconv.FormatInt(size, 10) }

// fillDisk lets ingest, and the cache of a reader, come to the end of the disk.
func fillDisk(ctx context.Context, b *bench) ([]*row, error) {
	src, bad, err := b.spoiledTar("cifar10-test.tar", 10_000, 0.01)
	if err != nil {
		return nil, err
	}
	want := filepath.Join(b.work, "disk-want")
	if e, err := b.ingest(ctx, "-in", src, "-out", want, "-shard-mb", "1", "-max-bad", "0.1"); err != nil || e.code != 0 {
		return nil, fmt.Errorf("undisturbed: %w %s", err, e.stderr)
	}
	must, err := outcomeOf(ctx, want)
	if err != nil {
		return nil, err
	}
	all, err := files(want)
	if err != nil {
		return nil, err
	}
	size, shards := int64(0), 0
	for name, content := range all {
		size += int64(len(content))
		if strings.HasSuffix(name, ".arrow") && name != datasets.QuarantineName {
			shards++
		}
	}
	writing := newRow("disk full under `ingest`", "status 1 and an error that names the file; with room it goes on to the bytes of an undisturbed ingest")
	if len(must.bad) != bad {
		writing.fail("undisturbed, %d images were set aside of %d that are bad", len(must.bad), bad)
	}
	random := b.random("disk")
	for n := range b.cases {
		v := &victim{row: writing, want: want, must: must, shards: shards}
		room := size/50 + random.Int64N(size-size/50)
		if err := b.fillOnce(ctx, v, src, filepath.Join(b.work, fmt.Sprint("disk", n)), room, size); err != nil {
			return nil, err
		}
	}
	reading := newRow("disk full under the cache of a reader", "an error that names the cache, or none; with room all images are as they were")
	for n := range b.cases {
		if err := b.fillCache(ctx, reading, random, want, filepath.Join(b.work, fmt.Sprint("cache-disk", n)), must); err != nil {
			return nil, err
		}
	}
	return []*row{writing, reading}, nil
}

// fillOnce runs ingest with room for so many bytes, and again with enough.
func (b *bench) fillOnce(ctx context.Context, v *victim, src, dir string, room, size int64) error {
	disk, err := mountDisk(dir, room)
	limited := errors.Is(err, unix.EPERM)
	if err != nil && !limited {
		return err
	}
	out := filepath.Join(dir, "shards")
	args := []string{"-in", src, "-out", out, "-shard-mb", "1", "-max-bad", "0.1"}
	first := func() (ending, error) { return b.ingest(ctx, args...) }
	if limited { // no file may grow beyond a limit instead
		v.row.add("by a limit of the size of files, since mounts are not permitted", 1)
		first = func() (ending, error) { return b.ingestWithin(ctx, 64<<10+room/20, args...) }
	} else {
		defer disk.unmount()
	}
	e, err := first()
	if err != nil {
		return err
	}
	v.row.tried()
	if !v.row.ended("full", e) {
		return nil
	}
	full := strings.Contains(e.stderr, "no space left") && strings.Contains(e.stderr, "the disk is full") || limited && strings.Contains(e.stderr, "too large")
	if e.code != 1 || !full || !strings.Contains(e.stderr, dir) {
		v.row.fail("room for %d of %d bytes: status %d, %s", room, size, e.code, e.stderr)
	}
	if _, err := os.Stat(out); err == nil {
		v.row.fail("room for %d of %d bytes: the folder is there", room, size)
	}
	if !limited {
		if err := disk.grow(4 * size); err != nil {
			return err
		}
	}
	if e, err = b.ingest(ctx, args...); err != nil || !v.row.ended("with room", e) {
		return err
	}
	if e.code != 0 {
		v.row.fail("with room it fails: %s", e.stderr)
		return nil
	}
	return v.check(ctx, e, out)
}

// ingestWithin runs ingest with files of at most so many bytes.
func (b *bench) ingestWithin(ctx context.Context, most int64, args ...string) (ending, error) {
	p, err := start(ctx, "sh", append([]string{"-c", `ulimit -f "$1"; shift; exec "$@"`, "sh", strconv.FormatInt(most/512, 10), b.program}, args...)...)
	if err != nil {
		return ending{}, err
	}
	return p.wait(deadline), ctx.Err()
}

// fillCache reads shards through a cache on a disk that has less room than its limit.
func (b *bench) fillCache(ctx context.Context, r *row, random *rand.Rand, shards, dir string, must outcome) error {
	room := (1 << 20) * (1 + random.Int64N(8)) / 2 // shards have a MiB
	disk, err := mountDisk(dir, room)
	if errors.Is(err, unix.EPERM) {
		r.add("left out, since mounts are not permitted", 1)
		return nil
	}
	if err != nil {
		return err
	}
	defer disk.unmount()
	buckets.Store("disk", &bucket{objects: os.DirFS(shards)})
	o := datasets.Options{CacheDir: filepath.Join(dir, "cache")}
	r.tried()
	images, bad, err := contentOf(ctx, "test://disk/", o)
	switch {
	case err != nil && (!errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), dir)):
		r.fail("room for %d bytes: %v", room, err)
	case err != nil:
		r.add("did not open", 1)
	case len(bad) > 0:
		r.add("had no room for a shard", 1)
		for _, err := range bad {
			if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), dir) {
				r.fail("room for %d bytes: %v", room, err)
				break
			}
		}
	default:
		r.add("had room for what was in use", 1)
		r.compare(outcome{images: images}.from(outcome{images: must.images}))
	}
	for key, got := range images {
		if got != must.images[key] {
			r.compare(difference{altered: 1})
		}
	}
	if err := disk.grow(1 << 30); err != nil {
		return err
	}
	images, bad, err = contentOf(ctx, "test://disk/", o)
	if err != nil || len(bad) > 0 {
		r.fail("with room, %d images cannot be read, %v", len(bad), err)
		return nil
	}
	r.compare(outcome{images: images}.from(outcome{images: must.images}))
	return nil
}
