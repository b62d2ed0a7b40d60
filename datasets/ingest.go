package datasets

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/sourcegraph/conc/pool"
	"github.com/sourcegraph/conc/stream"

	"github.com/goclr/goclr/pipeline"
)

// IngestOptions says how Ingest works.
type IngestOptions struct {
	// Check decodes an encoded image and returns its size in pixels; it is called from many goroutines. An error makes the
	// image a bad one. stages.Check is meant for it. Required.
	Check func(image []byte) (width, height int, err error)
	// CheckName says how Check departs from the default, for example "-check header" where it does not decode: the manifest records it, and
	// parts must agree in it. Default "": what is stored has been decoded.
	CheckName string
	// Reencode has large images stored smaller. Default nil: every image keeps its bytes.
	Reencode *Reencoding
	// MaxBad is the fraction of images, of a part those of the part, 0 to 1, that may be bad before the run fails. Default 0: none.
	MaxBad float64
	// Workers is the number of images checked at once. Default GOMAXPROCS.
	Workers int
	// ShardBytes is how large shards are on average. Default 256 MiB.
	ShardBytes int64
	// Deduplicate leaves out images whose bytes are those of another, and lists them. Of a part they are left out by Merge. Default
	// false: all are kept.
	Deduplicate bool
	// Part and Parts make this the ingest of part Part, from 1, of Parts, each by a process of its own, perhaps on another machine, of
	// the same source with the same options. Merge puts them together. Default 0: the whole.
	Part, Parts int
	// Replace lets Ingest replace a folder of shards that exists already, and one that an ingest of other images, or with other options, has
	// left unfinished. Default false.
	Replace bool
	// KeepComplete has Ingest take a folder that an ingest of the same images with the same options has completed already for its own work,
	// whatever the size of shards there, so that what runs it again after a kill need not know how far it was. Default false: it is an error.
	KeepComplete bool
	// Progress is called after each image, and now and then before the first and after the last, from one goroutine at a time. Default none.
	Progress func(IngestProgress)

	create    func(name string) (outputFile, error) // tests put a full disk in its place
	allocator memory.Allocator                      // tests look for leaks
}

// IngestProgress says how far an Ingest or a Merge is.
type IngestProgress struct {
	// Doing says what goes on, "" while images are read, checked and stored. Of millions it also takes a while to put their names in order
	// before that, and to leave duplicates out after it.
	Doing       string
	Done, Total int   // images, good and bad; those of an ingest that was stopped before count as done
	Bad         int   // of those done
	Bytes       int64 // stored by this process
}

// A Summary says what Ingest wrote.
type Summary struct {
	Images int   // in the shards
	Bytes  int64 // of the images as they are encoded
	Shards int
	Bad    int // in the quarantine
	// Duplicates are images left out since another has the same bytes; 0 without IngestOptions.Deduplicate.
	Duplicates int
	Kept       int // shards that an ingest which was stopped had written
	// Reencoded counts the images stored in other bytes than their own: all 0 without IngestOptions.Reencode.
	Reencoded Reencoded
}

// TooManyBadError says that more images were bad than IngestOptions.MaxBad allows.
type TooManyBadError struct {
	Bad, Allowed, Total int        // Bad when Ingest stopped; Allowed of Total
	First               []BadImage // at most three of this process, without their bytes
	Quarantine          string     // the file with the bad images
}

// Error lists the first bad images and says where they are.
func (e *TooManyBadError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "more bad images than the %d of %d that -max-bad allows:", e.Allowed, e.Total)
	for _, bad := range e.First {
		fmt.Fprintf(&b, "\n  %s: %s", bad.Key, bad.Reason)
	}
	fmt.Fprintf(&b, "\n%s has those found so far, see them with: ingest look %s; raise -max-bad and run it again, to go on, or repair or remove them at the source",
		e.Quarantine, e.Quarantine)
	return b.String()
}

// Ingest writes all images of src to a new folder of shards, in the order of a hash of their keys: each shard is a random sample. Each
// image is decoded once, to know that it can be; those that cannot, and those whose key another one has, go to a quarantine in the
// folder. The folder appears when it is complete and on disk: before that there is dir.partial, and another Ingest of the same images
// with the same options goes on with it, wherever this one was stopped. The bytes of shards are a function of the images and of
// IngestOptions.Reencode and ShardBytes alone. It takes 4 bytes of memory for each image, and what Workers of them take; of a store that has
// each as an object of its own 64 at once, of at most 256 MiB where their sizes are known, and as much to read others into.
func Ingest(ctx context.Context, src Dataset, dir string, o IngestOptions) (Summary, error) {
	if err := o.check(); err != nil {
		return Summary{}, err
	}
	if o.KeepComplete && !o.Replace {
		if m, err := readManifest(dir); err == nil && m.isOf(src, &o) { // else newStagingDir says what is wrong
			return m.summary(len(m.Shards)), ignoreMissing(os.Remove(filepath.Join(dir, journalName)))
		}
	}
	staging, err := newStagingDir(dir, o.Replace)
	if err != nil {
		return Summary{}, fmt.Errorf("cannot write shards: %w", explainWrite(err))
	}
	in := &ingest{src: src, o: o, dir: staging.path, reading: newReading(src, o.Workers)}
	summary, err := in.run(ctx)
	switch {
	case err == nil:
		if err = explainWrite(staging.commit()); err == nil {
			// Only now: until then the journal is what an ingest goes on by. The other may be of an ingest that failed here before.
			err = errors.Join(os.Remove(filepath.Join(staging.final, journalName)), ignoreMissing(os.Remove(quarantineBeside(staging.final))))
		}
	case in.recorded > 0, in.journal == nil && staging.has(journalName): // what it could not look at may be worth days
		err = errors.Join(err, staging.leave())
	default:
		err = errors.Join(err, in.keepQuarantine(err, staging.final), staging.abort())
	}
	if err != nil {
		return Summary{}, fmt.Errorf("cannot write shards: %w", err)
	}
	return summary, nil
}

// check fills in defaults.
func (o *IngestOptions) check() error {
	if o.Check == nil {
		return errors.New("ingest: IngestOptions.Check is required, for example stages.Check")
	}
	if !(o.MaxBad >= 0 && o.MaxBad <= 1) || o.ShardBytes < 0 || o.Workers < 0 {
		return fmt.Errorf("ingest: MaxBad %v must lie in 0 to 1, ShardBytes %d and Workers %d must not be negative",
			o.MaxBad, o.ShardBytes, o.Workers)
	}
	if (o.Part != 0 || o.Parts != 0) && (o.Part < 1 || o.Part > o.Parts) {
		return fmt.Errorf("ingest: part %d of %d: parts are counted from 1", o.Part, o.Parts)
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.ShardBytes == 0 {
		o.ShardBytes = 256 << 20
	}
	if o.create == nil {
		o.create = createFile
	}
	if o.allocator == nil {
		o.allocator = memory.NewGoAllocator()
	}
	return o.Reencode.check()
}

// An ingest is one call of Ingest.
type ingest struct {
	src     Dataset
	o       IngestOptions
	dir     string
	reading *reading
	order   *keyOrder
	journal *journal
	bad     *Quarantine
	first   []BadImage // for the error message
	allowed int        // bad images

	progress IngestProgress
	recorded int // shards in the journal
}

func (in *ingest) run(ctx context.Context) (_ Summary, err error) {
	if in.src.Len() == 0 {
		return Summary{}, errors.New("there are no images")
	}
	if in.order, err = newKeyOrder(ctx, in.src, in.dir, tellRarely("putting names in order", in.o.Progress)); err != nil {
		return Summary{}, err
	}
	defer in.order.close()
	plan := ingestPlan{Version: formatVersion, Source: in.src.Fingerprint(), Images: in.src.Len(), ShardBytes: in.o.ShardBytes,
		Check: in.o.CheckName, Part: in.o.Part, Of: in.o.Parts, Deduplicate: in.o.Deduplicate, Reencoding: in.o.Reencode.record(Reencoded{})}
	plan.Shards, err = plannedShards(in.dir, plan)
	if m := in.finished(); err == nil && plan.Shards > 0 && m != nil {
		if m.Part == nil {
			err = removeSums(in.dir)
		}
		return m.summary(len(m.Shards)), err
	}
	if err == nil && plan.Shards == 0 {
		plan.Shards, err = in.shards(ctx)
	}
	if err != nil {
		return Summary{}, err
	}
	in.order.cut(plan.Shards)
	if in.journal, err = openJournal(in.dir, plan, in.o.Replace); err != nil {
		return Summary{}, err
	}
	defer in.journal.close()
	in.recorded = len(in.journal.done)
	kept := in.recorded
	if err := in.openQuarantine(); err != nil {
		return Summary{}, err
	}
	defer in.bad.Close() // what it has was flushed, if that matters
	if err := in.part(ctx, plan); err != nil {
		return Summary{}, err
	}
	if err := in.bad.Flush(); err != nil {
		return Summary{}, err
	}
	m, err := in.finish(ctx, plan)
	if err != nil {
		return Summary{}, err
	}
	return m.summary(kept), nil
}

// shards is the number of shards of the whole, by the mean size of a random sample of the images.
func (in *ingest) shards(ctx context.Context) (int, error) {
	var mu sync.Mutex
	bytes, good := int64(0), 0
	samples := newSamples(ctx)
	work := pool.New().WithContext(ctx).WithCancelOnError().WithFirstError().WithMaxGoroutines(in.reading.atOnce)
	for _, i := range in.order.samples {
		end, err := in.reading.begin(ctx, int(i))
		if err != nil {
			break
		}
		work.Go(func(ctx context.Context) error {
			defer end()
			s := samples.Get().(*pipeline.Sample)
			defer in.putBack(samples, s)
			size, err := in.rowSize(ctx, i, s)
			switch {
			case failsWhole(err):
				return err // to leave it out would have this part count on other shards than the others
			case err != nil:
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			bytes += size
			good++
			return nil
		})
	}
	if err := work.Wait(); err != nil || good == 0 {
		return 1, cmp.Or(ctx.Err(), err)
	}
	all := float64(bytes) / float64(good) * float64(in.src.Len())
	return min(in.src.Len(), max(1, int(math.Round(all/float64(in.o.ShardBytes))))), ctx.Err()
}

// rowSize is what image i takes in a shard, which the listing of its source may tell.
func (in *ingest) rowSize(ctx context.Context, i uint32, s *pipeline.Sample) (int64, error) {
	if size, known := storedSize(in.src, int(i)); known && in.o.Reencode == nil {
		err := describe(ctx, in.src, int(i), s)
		return int64(len(s.Key)) + size + rowOverhead, err
	}
	r, err := in.read(ctx, i, s)
	if err == nil && in.o.Reencode != nil {
		err = in.reading.look(ctx, func() error { return in.prepare(&r) })
	}
	return r.size(), err
}

// newSamples is a pool of samples, whose buffers grow to the images that are read into them.
func newSamples(ctx context.Context) *sync.Pool {
	return &sync.Pool{New: func() any { return pipeline.NewSample(ctx, pipeline.Key{}) }}
}

// putBack has a sample read into again.
func (in *ingest) putBack(samples *sync.Pool, s *pipeline.Sample) {
	if in.reading.keeps(s) {
		samples.Put(s)
	}
}

// openQuarantine opens the bad images of the shards that are complete. Others are left out: when their shards are written anew, they may not
// be bad any more.
func (in *ingest) openQuarantine() error {
	if err := in.takeUpQuarantine(); err != nil {
		return err
	}
	for id := range in.bad.ids {
		if !in.isRecorded(id) {
			if err := in.bad.Close(); err != nil {
				return err
			}
			if _, err := gatherQuarantine(in.dir, []string{in.dir}, in.recordedOf, in.o.create, in.o.allocator); err != nil {
				return err
			}
			return in.takeUpQuarantine()
		}
	}
	return nil
}

func (in *ingest) takeUpQuarantine() error {
	in.bad = newQuarantine(filepath.Join(in.dir, QuarantineName), in.o.create, in.o.allocator)
	if err := in.bad.open(); err != nil {
		in.bad.rows.Release()
		return err
	}
	return nil
}

// isRecorded reports whether the shard of an image of the source is complete.
func (in *ingest) isRecorded(image uint64) bool {
	if image >= uint64(in.src.Len()) {
		return false
	}
	_, done := in.journal.done[in.order.shardOf(in.order.id(uint32(image)))]
	return done
}

// recordedOf are the places of images whose shards are complete.
func (in *ingest) recordedOf(images []uint64) (places []int) {
	for i, image := range images {
		if in.isRecorded(image) {
			places = append(places, i)
		}
	}
	return places
}

// inOrder are the places of images in the order of rows, which is not that in which they were found where a shard was written anew.
func (in *ingest) inOrder(images []uint64) []int {
	places := asTheyAre(images)
	at := func(place int) placed {
		image := uint32(images[place])
		return placed{in.order.id(image), image}
	}
	slices.SortFunc(places, func(a, b int) int { return at(a).compare(at(b)) })
	return places
}

// part writes the shards of this part that the journal does not have. One is brought to disk while the next begins.
func (in *ingest) part(ctx context.Context, plan ingestPlan) error {
	from, to := 0, plan.Shards
	if plan.Of > 0 {
		from, to = (plan.Part-1)*plan.Shards/plan.Of, plan.Part*plan.Shards/plan.Of
	}
	in.progress.Total = in.order.starts[to] - in.order.starts[from]
	in.allowed = int(in.o.MaxBad*float64(in.progress.Total) + 1e-6) // 0.29 of 100 are 28.999999999999996
	var missing []int
	for k := from; k < to; k++ {
		if _, done := in.journal.done[k]; done {
			in.progress.Done += in.order.starts[k+1] - in.order.starts[k]
		} else {
			missing = append(missing, k)
		}
	}
	ending := pool.New().WithErrors().WithMaxGoroutines(1)
	for _, k := range missing {
		w, err := in.shard(ctx, k)
		if err := errors.Join(err, ending.Wait()); err != nil {
			if w != nil {
				w.close()
			}
			return err
		}
		ending = pool.New().WithErrors().WithMaxGoroutines(1)
		ending.Go(func() error { return in.end(w) })
	}
	return ending.Wait()
}

// shard reads and checks the images of a shard in parallel and takes them in order.
func (in *ingest) shard(ctx context.Context, k int) (_ *shardWriter, err error) {
	w := newShardWriter(in.dir, k, in.o.create, in.o.allocator)
	w.keepSums = in.o.Deduplicate
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	samples := newSamples(ctx)
	var last row // that was taken: those of one id follow each other
	s := stream.New().WithMaxGoroutines(in.reading.atOnce)
	for _, i := range in.order.shard(k) {
		if ctx.Err() != nil {
			break
		}
		end, err := in.reading.begin(ctx, int(i))
		if err != nil {
			break
		}
		s.Go(func() stream.Callback {
			sample := samples.Get().(*pipeline.Sample)
			r, err := in.check(ctx, i, sample)
			if failsWhole(err) {
				stop(err)
			}
			return func() {
				defer end()
				if ctx.Err() == nil {
					if err := in.take(w, i, r, err, &last); err != nil {
						stop(err)
					}
				}
				in.putBack(samples, sample)
			}
		})
	}
	s.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return w, in.bad.Flush() // before the shard is said to be complete
}

// end completes a shard.
func (in *ingest) end(w *shardWriter) error {
	defer w.close()
	r, err := w.end()
	if err == nil {
		err = in.journal.add(in.dir, r)
	}
	if err != nil {
		return err
	}
	in.journal.done[r.Shard] = r
	in.recorded++
	return nil
}

// check reads image i and decides what is stored of it. The row it returns lies in sample.
func (in *ingest) check(ctx context.Context, i uint32, sample *pipeline.Sample) (r row, err error) {
	r, err = in.read(ctx, i, sample)
	r.id, r.label = in.order.id(i), sample.Label
	if err == nil {
		err = in.reading.look(ctx, func() error { return in.look(&r) })
	}
	return r, err
}

// read reads image i.
func (in *ingest) read(ctx context.Context, i uint32, sample *pipeline.Sample) (r row, err error) {
	r.stage = StageRead
	err = readSafely(ctx, in.src, int(i), sample)
	r.image, r.key = sample.Bytes, sample.Key
	return r, err
}

// look decides whether an image that was read is good, and takes its sums.
func (in *ingest) look(r *row) error {
	if err := in.prepare(r); err != nil {
		return err
	}
	switch {
	case len(r.image) > MaxImageBytes:
		return tooLarge(r.key, int64(len(r.image)))
	case keyID(r.key) != r.id:
		r.stage = StageRead
		return errors.New("its name has changed since the data set was opened")
	case !utf8.ValidString(r.key):
		r.stage = StageKey
		return errors.New("its key is not UTF-8")
	}
	r.crc = crc32.Checksum(r.image, castagnoli)
	r.sum = sha256.Sum256(r.image)
	r.digest = rowDigest(r, r.sum)
	return nil
}

// prepare finds the size of the image of r, and re-encodes it where that is chosen. A panic of the decoder is an error.
func (in *ingest) prepare(r *row) (err error) {
	defer func() {
		if caught := recover(); caught != nil {
			err = fmt.Errorf("the decoder panicked: %v", caught)
		}
	}()
	r.stage = StageDecode
	r.width, r.height, err = in.o.Check(r.image)
	if err == nil && in.o.Reencode.wants(r.width, r.height) {
		r.stage = StageReencode
		err = in.o.Reencode.apply(r, in.o.Check)
	}
	return err
}

// take puts a checked image where it belongs. last is the one before it of the shard.
func (in *ingest) take(w *shardWriter, i uint32, r row, bad error, last *row) error {
	if bad == nil && last.id == r.id && last.key == r.key {
		bad, r.stage = errors.New("another image has the same name: rename one of them"), StageKey
	}
	if bad == nil {
		*last = row{id: r.id, key: r.key}
		if err := w.append(&r); err != nil {
			return err
		}
		in.progress.Bytes += int64(len(r.image))
	} else if err := in.setAside(i, r, bad); err != nil {
		return err
	}
	in.progress.Done++
	in.progress.Bad = in.bad.Len()
	if in.o.Progress != nil {
		in.o.Progress(in.progress)
	}
	return nil
}

// setAside puts a bad image into the quarantine.
func (in *ingest) setAside(i uint32, r row, bad error) error {
	b := BadImage{ID: uint64(i), Key: r.key, Label: r.label, Stage: r.stage, Reason: strings.ToValidUTF8(bad.Error(), "\uFFFD"), Bytes: r.image}
	if _, err := in.bad.Add(b); err != nil {
		return err
	}
	if len(in.first) < 3 {
		b.Bytes = nil
		in.first = append(in.first, b)
	}
	if in.bad.Len() <= in.allowed {
		return nil
	}
	return errors.Join(in.bad.Flush(), &TooManyBadError{Bad: in.bad.Len(), Allowed: in.allowed, Total: in.progress.Total, First: in.first,
		Quarantine: in.bad.name})
}

// keepQuarantine keeps the bad images beside a folder that does not come to be, if they are why.
func (in *ingest) keepQuarantine(cause error, final string) error {
	var tooMany *TooManyBadError
	if !errors.As(cause, &tooMany) {
		return nil
	}
	tooMany.Quarantine = quarantineBeside(final)
	return os.Rename(in.bad.name, tooMany.Quarantine)
}

// quarantineBeside is where the bad images are that kept a folder from coming to be.
func quarantineBeside(dir string) string { return dir + "." + QuarantineName }

// finish writes the manifest of what the journal says is there.
func (in *ingest) finish(ctx context.Context, plan ingestPlan) (*manifest, error) {
	m := &manifest{Format: formatName, Version: formatVersion, Classes: in.src.Classes(), Source: plan.Source, Check: plan.Check,
		Reencoding: in.o.Reencode.record(Reencoded{})}
	if plan.Of > 0 {
		m.Part = &partManifest{Index: plan.Part, Of: plan.Of, Shards: plan.Shards, Images: plan.Images}
	}
	m.gather(slices.SortedFunc(maps.Values(in.journal.done), func(a, b shardRecord) int { return cmp.Compare(a.Shard, b.Shard) }))
	if err := m.account(in.bad.Len(), in.progress.Total); err != nil {
		return nil, fmt.Errorf("%s: %w", in.dir, err)
	}
	if m.Rows == 0 && m.Part == nil {
		return nil, errors.New("no image is left")
	}
	var err error
	switch {
	case plan.Deduplicate && m.Part == nil:
		err = m.removeDuplicates(ctx, in.dir, in.o.create, in.o.allocator, in.o.Progress)
	case plan.Deduplicate:
		m.Duplicates = &duplicatesManifest{}
	}
	if err != nil {
		return nil, err
	}
	if m.Quarantine, err = gatherQuarantine(in.dir, []string{in.dir}, in.inOrder, in.o.create, in.o.allocator); err != nil {
		return nil, err
	}
	if err := m.write(in.dir, in.o.create); err != nil || m.Part != nil {
		return m, err
	}
	return m, removeSums(in.dir)
}

// finished returns the manifest of an ingest by the same plan that was stopped between its last file and its last rename; nil if there is none.
func (in *ingest) finished() *manifest {
	m, err := readManifest(in.dir)
	if err != nil || !m.isOf(in.src, &in.o) || m.checkQuarantine(in.dir) != nil {
		return nil
	}
	for _, s := range m.Shards {
		if r := (shardRecord{Info: &s}); !r.isIn(in.dir, m.Part != nil && in.o.Deduplicate) {
			return nil
		}
	}
	return m
}
