package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/sourcegraph/conc/stream"

	"github.com/goclr/goclr/cmd/ingest/internal/near"
	"github.com/goclr/goclr/cmd/internal/cli"
	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

const nearHelp = `
ingest near finds images that look nearly the same, as copies do that were encoded again, resized or made a little brighter.

  ingest near SRC [flags]

SRC is a data set as "ingest -h" tells them. Each image is decoded and gets a perceptual hash of 64 bits. Images whose hashes differ in at most
-distance bits are in one group, and so are those that others connect; none is missed. Unrelated photos differ in about 30. The hash sees
shapes in grey, at 32 x 32 pixels: plain images may look the same to it. What is turned or mirrored is not found. Of photos that lost a twentieth
of their width and height, -distance 8 found nine of ten, and 4 not half. No two of 500 different photos were within 8 bits, two within 10: among
millions there are more such pairs, so look at groups before you remove anything.

Of each image of a group it tells the distance to the first, the size, the index and key, and of which image it is a copy, byte for byte.
With -json that is a line for each, of the same fields. The largest groups come first.

It holds some 50 bytes of each image in memory. Images that cannot be decoded are counted, and named at the end: it then fails.

Examples:
  ingest near shards
  ingest near photos.tar -distance 2 -limit 0
  ingest near photos.tar -json > near.jsonl
`

// A nearFinder is one call of near.
type nearFinder struct {
	name      string
	d         datasets.Dataset
	distance  int
	workers   int
	maxPixels int

	line   *cli.Line
	hashes []uint64 // by image
	sums   []uint64 // the beginning of the SHA-256 of each: images with the same hash share one by chance once in 10^19
	good   []uint32 // images that have a hash
	bad    faults
}

func nearDuplicates(ctx context.Context, args []string) error {
	f := cli.NewFlags("ingest near", nearHelp)
	n := nearFinder{}
	f.IntVar(&n.distance, "distance", 4, "the `bits` that near duplicates may differ in")
	limit := f.Int("limit", 20, "groups to list; 0 for all")
	asJSON := f.Bool("json", false, "write JSON, a line for each image; all groups unless -limit is given")
	f.IntVar(&n.workers, "workers", runtime.NumCPU(), "images decoded at once; the output does not depend on it")
	maxPixels := maxPixelsFlag(f)
	source := sourceFlags(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	n.maxPixels = *maxPixels
	switch {
	case f.NArg() != 1:
		return cli.Usagef("near takes one data set, and has %d arguments", f.NArg())
	case n.distance < 0 || n.distance > near.MaxDistance:
		return cli.Usagef("-distance %d: it must be from 0 to %d bits; unrelated images are about 30 apart", n.distance, near.MaxDistance)
	case *limit < 0:
		return cli.Usagef("-limit %d: it must be at least 0, which lists all", *limit)
	case n.workers < 1:
		return cli.Usagef("-workers %d: it must be at least 1", n.workers)
	case badLimit(n.maxPixels) != nil:
		return cli.Usagef("-max-pixels %d: %v", n.maxPixels, badLimit(n.maxPixels))
	}
	if *asJSON && !f.Given("limit") {
		*limit = 0
	}
	n.name = f.Arg(0)
	var err error
	n.d, err = source.Open(ctx, n.name)
	if err != nil {
		return err
	}
	defer n.d.Close()
	if n.d.Len() > math.MaxUint32 {
		return fmt.Errorf("%s has %d images, and near compares at most %d: look at its parts", n.name, n.d.Len(), uint32(math.MaxUint32))
	}
	n.line = cli.NewLine(os.Stderr)
	defer n.line.Close()
	return n.run(ctx, *limit, *asJSON)
}

func (n *nearFinder) run(ctx context.Context, limit int, asJSON bool) error {
	if err := n.survey(ctx); err != nil {
		return err
	}
	groups, err := near.Groups(ctx, n.hashes, n.good, n.distance, func(done, total int) {
		n.line.Show(fmt.Sprintf("comparing: pass %d of %d", min(done+1, total), total) + n.bad.count())
	})
	if err != nil {
		return err
	}
	n.line.Close()
	listed := groups
	if limit > 0 {
		listed = groups[:min(limit, len(groups))]
	}
	if asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetEscapeHTML(false)
		err = n.list(ctx, listed, func(m *nearImage) error { return e.Encode(m) })
	} else if err = n.print(ctx, listed); err == nil {
		n.summary(groups, len(listed))
	}
	if err != nil {
		return err
	}
	if err := n.bad.err(); err != nil {
		return fmt.Errorf("%s: of %d images %w", n.name, n.d.Len(), err)
	}
	return nil
}

// survey hashes all images.
func (n *nearFinder) survey(ctx context.Context) error {
	n.hashes, n.sums = make([]uint64, n.d.Len()), make([]uint64, n.d.Len())
	n.good = make([]uint32, 0, n.d.Len())
	meter := cli.NewMeter("images", 0, n.d.Len())
	var mu sync.Mutex
	done := 0
	return datasets.Visit(ctx, n.d, n.workers, func(i int, s *pipeline.Sample, err error) {
		if err == nil {
			err = safely(func() error { return shrink(s, n.maxPixels) })
		}
		if err == nil {
			sum := sha256.Sum256(s.Bytes)
			n.hashes[i], n.sums[i] = near.Hash(s.Image.Pix), binary.BigEndian.Uint64(sum[:])
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			n.bad.add(i, fmt.Sprintf("%s: %v", s.Key, err))
		} else {
			n.good = append(n.good, uint32(i))
		}
		done++
		n.line.Show(meter.Text(done) + n.bad.count())
	})
}

// shrink decodes an image to the size that is hashed.
func shrink(s *pipeline.Sample, maxPixels int) error {
	if err := (stages.Decode{MaxPixels: maxPixels}).Apply(s); err != nil {
		return err
	}
	return stages.Resize{Size: near.Side}.Apply(s)
}

// A nearImage is what near tells of an image, as it is in JSON.
type nearImage struct {
	Group    int     `json:"group"` // from 1
	Index    uint32  `json:"index"`
	Key      string  `json:"key"`
	Distance int     `json:"distance"`          // in bits, to the first of the group
	CopyOf   *uint32 `json:"copy_of,omitempty"` // an earlier image of the group with the same bytes
	Width    int     `json:"width"`             // pixels, upright
	Height   int     `json:"height"`
	Bytes    int     `json:"bytes"`
}

// list reads the images of the groups again and tells them, in order.
func (n *nearFinder) list(ctx context.Context, groups [][]uint32, tell func(*nearImage) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	tasks := stream.New().WithMaxGoroutines(n.workers)
groups:
	for g, group := range groups {
		first := n.firstCopies(group)
		for _, i := range group {
			if ctx.Err() != nil {
				break groups
			}
			m := &nearImage{Group: g + 1, Index: i, Distance: near.Distance(n.hashes[group[0]], n.hashes[i])}
			if same := first(i); same != i {
				m.CopyOf = &same
			}
			tasks.Go(func() stream.Callback {
				err := n.read(ctx, m)
				return func() {
					if err == nil && ctx.Err() == nil {
						err = tell(m)
					}
					if err != nil {
						stop(err)
					}
				}
			})
		}
	}
	tasks.Wait()
	return context.Cause(ctx)
}

// firstCopies returns which is the first image of a group with the bytes of image i.
func (n *nearFinder) firstCopies(group []uint32) func(i uint32) uint32 {
	bySum := slices.Clone(group)
	slices.SortFunc(bySum, func(a, b uint32) int { return cmp.Or(cmp.Compare(n.sums[a], n.sums[b]), cmp.Compare(a, b)) })
	return func(i uint32) uint32 {
		at, _ := slices.BinarySearchFunc(bySum, n.sums[i], func(a uint32, sum uint64) int { return cmp.Compare(n.sums[a], sum) })
		return bySum[at]
	}
}

// read fills in what is known of the image by its file.
func (n *nearFinder) read(ctx context.Context, m *nearImage) error {
	s := pipeline.NewSample(ctx, pipeline.Key{})
	if err := n.d.Read(ctx, int(m.Index), s); err != nil {
		return fmt.Errorf("%s: image #%d, read again: %w", n.name, m.Index, err)
	}
	h, err := stages.ReadHeader(s.Bytes)
	if err != nil {
		return fmt.Errorf("%s: image #%d, %s, read again: %w", n.name, m.Index, s.Key, err)
	}
	m.Key, m.Width, m.Height, m.Bytes = s.Key, h.W, h.H, len(s.Bytes)
	return nil
}

// print lists groups as text.
func (n *nearFinder) print(ctx context.Context, groups [][]uint32) error {
	if len(groups) == 0 {
		return nil
	}
	t := newTable(os.Stdout, "rrrrlll")
	if err := t.row("group", "distance", "pixels", "bytes", "copy of", "image", "key"); err != nil {
		return err
	}
	err := n.list(ctx, groups, func(m *nearImage) error {
		same := ""
		if m.CopyOf != nil {
			same = fmt.Sprintf("#%d", *m.CopyOf)
		}
		return t.row(fmt.Sprint(m.Group), fmt.Sprint(m.Distance), fmt.Sprintf("%d x %d", m.Width, m.Height), fmt.Sprint(m.Bytes), same,
			fmt.Sprintf("#%d", m.Index), m.Key)
	})
	if err != nil {
		return err
	}
	return t.flush()
}

// summary says how many there are in all.
func (n *nearFinder) summary(groups [][]uint32, listed int) {
	images, copies := 0, 0
	for _, group := range groups {
		images += len(group)
		first := n.firstCopies(group)
		for _, i := range group {
			if first(i) != i {
				copies++
			}
		}
	}
	fmt.Printf("%s: %s, ", n.name, counted(n.d.Len(), "image"))
	if images == 0 {
		fmt.Printf("no near duplicates (of 64 bits, %d may differ)", n.distance)
	} else {
		fmt.Printf("%d of them in %s of near duplicates (of 64 bits, %d may differ), %d of these exact copies", images, counted(len(groups), "group"),
			n.distance, copies)
	}
	if n.bad.n > 0 {
		fmt.Printf("; %d bad", n.bad.n)
	}
	fmt.Println()
	if listed < len(groups) {
		fmt.Printf("%d of the groups are listed; -limit 0 lists all\n", listed)
	}
}
