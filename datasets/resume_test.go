package datasets

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/goclr/goclr/pipeline"
)

// A flakySource fails to read what fail says, for as long as it does.
type flakySource struct {
	Dataset
	fail func(i int) error
}

func (s flakySource) Read(ctx context.Context, i int, sample *pipeline.Sample) error {
	if err := s.Dataset.Read(ctx, i, sample); err != nil {
		return err
	}
	return s.fail(i)
}

func (s flakySource) describe(i int, sample *pipeline.Sample) error {
	return describe(sample.Context(), s.Dataset, i, sample)
}

// stoppedIngest stops an ingest after a number of images.
func stoppedIngest(t *testing.T, src Dataset, dir string, o IngestOptions, at int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o.Progress = func(p IngestProgress) {
		if p.Done == at {
			stop()
		}
	}
	if _, err := Ingest(ctx, src, dir, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
}

// TestStoppedBeforeItGoesOn stops an ingest that would go on before it has looked at what is there: that stays.
func TestStoppedBeforeItGoesOn(t *testing.T) {
	src := tarDataset(t, manyMembers(100, 0))
	o := IngestOptions{Check: accept, ShardBytes: 9000}
	dir := filepath.Join(t.TempDir(), "shards")
	stoppedIngest(t, src, dir, o, 90)
	before := tree(t, dir+".partial")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Ingest(ctx, src, dir, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if missing(dir+".partial") || !sameTree(tree(t, dir+".partial"), before) {
		t.Error("what was there is gone")
	}
	if sum, err := Ingest(t.Context(), src, dir, o); err != nil || sum.Kept == 0 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// TestGoesOnWithUnreadableSamples goes on where images that stand for the size of all cannot be read for a while: the number of shards, and
// so what is there, stays.
func TestGoesOnWithUnreadableSamples(t *testing.T) {
	list := manyMembers(100, 0)
	for i := range 50 {
		list[i].bytes += fmt.Sprintf("%2000d", 0)
	}
	src := tarDataset(t, list)
	o := IngestOptions{Check: accept, ShardBytes: 9000, MaxBad: 1}
	whole, dir := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "shards")
	if _, err := Ingest(t.Context(), src, whole, o); err != nil {
		t.Fatal(err)
	}
	stoppedIngest(t, src, dir, o, 90)
	reads := new(atomic.Int32)
	flaky := flakySource{src, func(i int) error {
		if reads.Add(1) <= 100 && i < 50 {
			return errors.New("the network is down")
		}
		return nil
	}}
	if sum, err := Ingest(t.Context(), flaky, dir, o); err != nil || sum.Kept == 0 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// TestBadForAWhile stops an ingest within a shard of which an image could not be read. When it goes on the image can be: it is stored, and
// not a bad one any more.
func TestBadForAWhile(t *testing.T) {
	src := tarDataset(t, manyMembers(100, 10))
	o := IngestOptions{Check: refuse, ShardBytes: 9000, MaxBad: 1}
	whole := filepath.Join(t.TempDir(), "whole")
	want, err := Ingest(t.Context(), src, whole, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{60, 75, 99} {
		dir := filepath.Join(t.TempDir(), "shards")
		halfway := o
		var on atomic.Bool
		flaky := flakySource{src, func(i int) error {
			if on.Load() && i%2 == 0 {
				return errors.New("the network is down")
			}
			return nil
		}}
		ctx, stop := context.WithCancel(t.Context())
		halfway.Workers = 1
		halfway.Progress = func(p IngestProgress) {
			if p.Done == at-5 {
				on.Store(true)
			}
			if p.Done == at {
				stop()
			}
		}
		if _, err := Ingest(ctx, flaky, dir, halfway); !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v", err)
		}
		stop()
		again := o
		again.Progress = func(p IngestProgress) {
			if p.Bad > want.Bad || p.Done == p.Total && p.Bad != want.Bad {
				t.Errorf("stopped at %d: progress %+v", at, p)
			}
		}
		sum, err := Ingest(t.Context(), src, dir, again)
		if err != nil {
			t.Fatal(err)
		}
		if sum.Images != 90 || sum.Bad != 10 || !sameTree(tree(t, dir), tree(t, whole)) {
			t.Errorf("stopped at %d: %+v, or other bytes", at, sum)
		}
	}
}

// TestTemporaryFileIsLeft: a kill may leave a temporary file before its name is removed.
func TestTemporaryFileIsLeft(t *testing.T) {
	src := tarDataset(t, manyMembers(100, 0))
	o := IngestOptions{Check: accept, ShardBytes: 9000}
	dir := filepath.Join(t.TempDir(), "shards")
	stoppedIngest(t, src, dir, o, 90)
	f, err := os.CreateTemp(dir+".partial", "goclr-*")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if sum, err := Ingest(t.Context(), src, dir, o); err != nil || sum.Kept == 0 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// TestKeepComplete takes what another ingest has completed for its own work if it is of the same images by the same options, and only then.
func TestKeepComplete(t *testing.T) {
	src, other := tarDataset(t, lines("300 x 200", "400 x 200", "3 x 2")), tarDataset(t, lines("300 x 200", "400 x 200", "3 x 22"))
	encode := &Reencoding{MaxSide: 100, Quality: 80, Encoder: "lines 1.0", Shrink: shrinkLine}
	encodeOther := &Reencoding{MaxSide: 100, Quality: 81, Encoder: "lines 1.0", Shrink: shrinkLine}
	o := IngestOptions{Check: sizeOf, Part: 1, Parts: 2, Deduplicate: true, Reencode: encode, KeepComplete: true, ShardBytes: 100}
	dir := filepath.Join(t.TempDir(), "shards")
	want, err := Ingest(t.Context(), src, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	writeTemp(t, dir, journalName, nil) // of a kill just before the end
	want.Kept = want.Shards
	if got, err := Ingest(t.Context(), src, dir, o); err != nil || got != want || !missing(filepath.Join(dir, journalName)) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for name, change := range map[string]func(o *IngestOptions){
		"nothing kept":     func(o *IngestOptions) { o.KeepComplete = false },
		"another part":     func(o *IngestOptions) { o.Part = 2 },
		"other parts":      func(o *IngestOptions) { o.Parts = 3 },
		"the whole":        func(o *IngestOptions) { o.Part, o.Parts = 0, 0 },
		"duplicates":       func(o *IngestOptions) { o.Deduplicate = false },
		"headers only":     func(o *IngestOptions) { o.CheckName = "-check header" },
		"as they are":      func(o *IngestOptions) { o.Reencode = nil },
		"other re-encoded": func(o *IngestOptions) { o.Reencode = encodeOther },
	} {
		o := o
		change(&o)
		if _, err := Ingest(t.Context(), src, dir, o); err == nil || !strings.Contains(err.Error(), "exists already") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := Ingest(t.Context(), other, dir, o); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("other images: error %v", err)
	}
}

// TestAllowedBad allows as many bad images as the fraction says, though it is none of binary digits.
func TestAllowedBad(t *testing.T) {
	list := manyMembers(100, 0)
	for i := range 29 {
		list[i].bytes = "bad"
	}
	src := tarDataset(t, list)
	if sum, err := Ingest(t.Context(), src, filepath.Join(t.TempDir(), "a"), IngestOptions{Check: refuse, MaxBad: 0.29}); err != nil {
		t.Errorf("%+v, %v", sum, err)
	}
	if sum, err := Ingest(t.Context(), src, filepath.Join(t.TempDir(), "b"), IngestOptions{Check: refuse, MaxBad: 0.2899}); err == nil {
		t.Errorf("%+v", sum)
	}
}

// TestStoppedAtTheEnd stops an ingest before its manifest, of which only the shard that lost a duplicate is written again, and before its last
// rename, when nothing is read again.
func TestStoppedAtTheEnd(t *testing.T) {
	list := manyMembers(100, 0)
	list[1].bytes = list[0].bytes
	src := tarDataset(t, list)
	o := IngestOptions{Check: accept, ShardBytes: 9000, Deduplicate: true}
	whole := filepath.Join(t.TempDir(), "whole")
	want, err := Ingest(t.Context(), src, whole, o)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "shards")
	stopped := o
	stopped.create = func(name string) (outputFile, error) {
		if filepath.Base(name) == manifestName {
			return nil, errors.New("stopped")
		}
		return createFile(name)
	}
	if _, err := Ingest(t.Context(), src, dir, stopped); err == nil {
		t.Fatal("not stopped")
	}
	inTheWay := o
	inTheWay.Progress = func(IngestProgress) { writeTemp(t, dir, "letters.txt", nil) }
	written := 0
	inTheWay.create = func(name string) (outputFile, error) {
		written++
		return createFile(name)
	}
	if _, err := Ingest(t.Context(), src, dir, inTheWay); err == nil {
		t.Fatal("not stopped")
	}
	if written != 5 { // a shard and its sums, the shard without the duplicate, the list, the manifest
		t.Errorf("%d files were written", written)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	unread := flakySource{src, func(int) error {
		t.Error("an image is read again")
		return nil
	}}
	want.Kept = want.Shards
	if sum, err := Ingest(t.Context(), unread, dir, o); err != nil || sum != want || !sameTree(tree(t, dir), tree(t, whole)) {
		t.Errorf("%+v, %v; want %+v", sum, err, want)
	}
}

// TestAnotherIngestUnfinished: what an ingest of other options has left is cleared away only on request.
func TestAnotherIngestUnfinished(t *testing.T) {
	src := tarDataset(t, manyMembers(100, 0))
	dir := filepath.Join(t.TempDir(), "shards")
	stoppedIngest(t, src, dir, IngestOptions{Check: accept, ShardBytes: 9000}, 90)
	before := tree(t, dir+".partial")
	var other IngestOptions
	for _, other = range []IngestOptions{{CheckName: "-check header"}, {Deduplicate: true}} {
		other.Check, other.ShardBytes = accept, 9000
		_, err := Ingest(t.Context(), src, dir, other)
		if err == nil || !strings.Contains(err.Error(), dir+".partial has what an ingest of other images, or with other flags") || !strings.Contains(err.Error(), "-force") {
			t.Errorf("error %v", err)
		}
		if !sameTree(tree(t, dir+".partial"), before) {
			t.Error("the unfinished folder has changed")
		}
	}
	other.Replace = true
	if sum, err := Ingest(t.Context(), src, dir, other); err != nil || sum.Kept != 0 || !missing(dir+".partial") {
		t.Errorf("%+v, %v", sum, err)
	}
}
