package datasets

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/sourcegraph/conc/panics"
	"github.com/sourcegraph/conc/stream"

	"github.com/goclr/goclr/pipeline"
)

// IngestOptions says how Ingest works.
type IngestOptions struct {
	// Check decodes an encoded image and returns its size in pixels; it is called from many goroutines. An error makes the
	// image a bad one. stages.Check is meant for it. Required.
	Check func(image []byte) (width, height int, err error)
	// Reencode has large images stored smaller. Default nil: every image keeps its bytes.
	Reencode *Reencoding
	// MaxBad is the fraction of images, 0 to 1, that may be bad before the run fails. Default 0: none.
	MaxBad float64
	// Workers is the number of images checked at once. Default GOMAXPROCS.
	Workers int
	// MaxShardBytes is the size that a shard stays within, unless a single image is larger. Default 256 MiB.
	MaxShardBytes int64
	// Replace lets Ingest replace a folder of shards that exists already. Default false.
	Replace bool
	// Progress is called after each image, from one goroutine at a time. Default none.
	Progress func(done, total, bad int)

	create    func(name string) (outputFile, error) // tests put a full disk in its place
	allocator memory.Allocator                      // tests look for leaks
}

// A Summary says what Ingest wrote.
type Summary struct {
	Images int   // in the shards
	Bytes  int64 // of the images as they are encoded
	Shards int
	Bad    int // in the quarantine
	// Reencoded counts the images stored in other bytes than their own: all 0 without IngestOptions.Reencode.
	Reencoded Reencoded
}

// TooManyBadError says that more images were bad than IngestOptions.MaxBad allows.
type TooManyBadError struct {
	Bad, Allowed, Total int        // Bad when Ingest stopped; Allowed of Total
	First               []BadImage // at most three, without their bytes
	Quarantine          string     // the folder with the bad images
}

// Error lists the first bad images and says where they are.
func (e *TooManyBadError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "more bad images than the %d of %d that -max-bad allows:", e.Allowed, e.Total)
	for _, bad := range e.First {
		fmt.Fprintf(&b, "\n  %s: %s", bad.Key, bad.Reason)
	}
	fmt.Fprintf(&b, "\n%s has those found so far, see them with: ingest look %s; repair or remove them at the source, or raise -max-bad",
		e.Quarantine, e.Quarantine)
	return b.String()
}

// Ingest writes all images of src to a new folder of shards, in their order. Each is decoded once, to know that it can be;
// those that cannot go to a quarantine in the folder. The folder appears when it is complete and on disk: before that, and
// whatever goes wrong, there is none. Its bytes are a function of the images and of IngestOptions.Reencode alone.
func Ingest(ctx context.Context, src Dataset, dir string, o IngestOptions) (Summary, error) {
	if o.Check == nil {
		return Summary{}, errors.New("ingest: IngestOptions.Check is required, for example stages.Check")
	}
	if !(o.MaxBad >= 0 && o.MaxBad <= 1) || o.MaxShardBytes < 0 || o.Workers < 0 {
		return Summary{}, fmt.Errorf("ingest: MaxBad %v must lie in 0 to 1, MaxShardBytes %d and Workers %d must not be negative",
			o.MaxBad, o.MaxShardBytes, o.Workers)
	}
	if err := o.Reencode.check(); err != nil {
		return Summary{}, err
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.MaxShardBytes == 0 {
		o.MaxShardBytes = 256 << 20
	}
	if o.create == nil {
		o.create = createFile
	}
	if o.allocator == nil {
		o.allocator = memory.NewGoAllocator()
	}
	staging, err := newStagingDir(dir, o.Replace)
	if err != nil {
		return Summary{}, fmt.Errorf("cannot write shards: %w", explainWrite(err))
	}
	in := &ingest{src: src, o: o, dir: staging.path, allowed: int(o.MaxBad * float64(src.Len())),
		bad: newQuarantine(filepath.Join(staging.path, QuarantineName), o.create, o.allocator)}
	defer in.bad.Close() // what it has was flushed, if that matters
	summary, err := in.run(ctx)
	if err == nil {
		err = explainWrite(staging.commit())
	} else {
		err = in.clean(staging, err)
	}
	if err != nil {
		return Summary{}, fmt.Errorf("cannot write shards: %w", err)
	}
	return summary, nil
}

// An ingest is one call of Ingest.
type ingest struct {
	src     Dataset
	o       IngestOptions
	dir     string
	allowed int
	writer  *shardWriter
	bad     *Quarantine
	first   []BadImage // for the error message
	done    int

	reencoded Reencoded
}

func (in *ingest) run(ctx context.Context) (Summary, error) {
	in.writer = newShardWriter(in.dir, in.o.MaxShardBytes, in.o.create, in.o.allocator)
	defer in.writer.close()
	if err := in.images(ctx); err != nil {
		return Summary{}, err
	}
	if err := in.writer.endShard(); err != nil {
		return Summary{}, err
	}
	if in.writer.next == 0 {
		return Summary{}, errors.New("no image is left")
	}
	q, err := in.bad.manifest()
	if err != nil {
		return Summary{}, err
	}
	m := manifest{Format: formatName, Version: formatVersion, Classes: in.src.Classes(), Rows: int(in.writer.next),
		Bytes: in.writer.bytes, Content: in.writer.content.sum(), Source: in.src.Fingerprint(), Shards: in.writer.done,
		Quarantine: q, Reencoding: in.o.Reencode.record(in.reencoded)}
	if m.Classes == nil {
		m.Classes = []string{}
	}
	file, err := m.encode()
	if err != nil {
		return Summary{}, err
	}
	if err := writeFile(in.o.create, filepath.Join(in.dir, manifestName), file); err != nil {
		return Summary{}, err
	}
	return Summary{Images: m.Rows, Bytes: m.Bytes, Shards: len(m.Shards), Bad: in.bad.Len(),
		Reencoded: in.reencoded}, nil
}

// images reads and checks images in parallel and takes them in order.
func (in *ingest) images(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	samples := sync.Pool{New: func() any { return pipeline.NewSample(ctx, pipeline.Key{}) }}
	s := stream.New().WithMaxGoroutines(in.o.Workers)
	for i := 0; i < in.src.Len() && ctx.Err() == nil; i++ {
		s.Go(func() stream.Callback {
			sample := samples.Get().(*pipeline.Sample)
			r, err := in.check(ctx, i, sample)
			return func() {
				if ctx.Err() == nil {
					if err := in.take(i, r, err); err != nil {
						stop(err)
					}
				}
				samples.Put(sample)
			}
		})
	}
	s.Wait()
	return context.Cause(ctx)
}

// check reads image i and decides what is stored of it. The row it returns lies in sample.
func (in *ingest) check(ctx context.Context, i int, sample *pipeline.Sample) (r row, err error) {
	r.stage = StageRead
	err = readSafely(ctx, in.src, i, sample)
	r.image = sample.Bytes
	if err == nil {
		if caught := panics.Try(func() { err = in.prepare(&r) }); caught != nil {
			err = fmt.Errorf("the decoder panicked: %v", caught.Value)
		}
	}
	if err == nil && len(r.image) > MaxImageBytes {
		err = tooLarge(sample.Key, int64(len(r.image)))
	}
	r.label = sample.Label
	r.key = strings.ToValidUTF8(sample.Key, "\uFFFD")
	r.crc = crc32.Checksum(r.image, castagnoli)
	return r, err
}

// prepare finds the size of the image of r, and re-encodes it where that is chosen.
func (in *ingest) prepare(r *row) (err error) {
	r.stage = StageDecode
	r.width, r.height, err = in.o.Check(r.image)
	if err == nil && in.o.Reencode.wants(r.width, r.height) {
		r.stage = StageReencode
		err = in.o.Reencode.apply(r, in.o.Check)
	}
	return err
}

// take puts a checked image where it belongs.
func (in *ingest) take(i int, r row, bad error) error {
	if bad == nil {
		if err := in.writer.append(&r); err != nil {
			return err
		}
		in.reencoded.count(&r)
	} else {
		b := BadImage{ID: uint64(i), Key: r.key, Label: r.label, Stage: r.stage, Reason: strings.ToValidUTF8(bad.Error(), "\uFFFD"),
			Bytes: r.image}
		if _, err := in.bad.Add(b); err != nil {
			return err
		}
		if len(in.first) < 3 {
			b.Bytes = nil
			in.first = append(in.first, b)
		}
		if in.bad.Len() > in.allowed {
			return &TooManyBadError{Bad: in.bad.Len(), Allowed: in.allowed, Total: in.src.Len(), First: in.first}
		}
	}
	in.done++
	if in.o.Progress != nil {
		in.o.Progress(in.done, in.src.Len(), in.bad.Len())
	}
	return nil
}

// clean removes what a failed run wrote. If images were the reason, they stay in a folder beside the one that did not come
// to be.
func (in *ingest) clean(staging *stagingDir, cause error) error {
	var tooMany *TooManyBadError
	if !errors.As(cause, &tooMany) {
		return errors.Join(cause, staging.abort())
	}
	tooMany.Quarantine = staging.final + ".quarantine"
	return errors.Join(cause, in.keepQuarantine(staging, tooMany.Quarantine), staging.abort())
}

func (in *ingest) keepQuarantine(staging *stagingDir, to string) error {
	if err := in.bad.Flush(); err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	if err := emptyOwn(to); err != nil {
		return err
	}
	return os.Rename(filepath.Join(staging.path, QuarantineName), filepath.Join(to, QuarantineName))
}
