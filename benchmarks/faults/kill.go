package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/goclr/goclr/datasets"
)

// A victim is a way of running ingest that is killed.
type victim struct {
	row    *row
	args   func(out string) []string
	bad    int    // images that it must set aside
	want   string // what it writes undisturbed
	must   outcome
	shards int
	took   time.Duration
}

// killIngest kills ingest at random moments and lets it go on.
func killIngest(ctx context.Context, b *bench) ([]*row, error) {
	photographs := max(1, b.kills*3/10)
	var rows []*row
	for _, c := range []struct {
		what, archive string
		share         float64 // of bad images
		kills         int
		flags         []string
	}{
		{"CIFAR-10, 1 % bad", "cifar10-train.tar", 0.01, b.kills - photographs, []string{"-shard-mb", "1", "-dedupe"}},
		{"photographs, 2 % bad", "imagenet-sample.tar", 0.02, photographs, []string{"-shard-mb", "4"}},
	} {
		if c.kills == 0 {
			continue
		}
		src, bad, err := b.spoiledTar(c.archive, 15_000, c.share)
		if err != nil {
			return nil, err
		}
		v := &victim{bad: bad, args: func(out string) []string {
			return append([]string{"-in", src, "-out", out, "-max-bad", "0.1"}, c.flags...)
		}}
		v.row = newRow("SIGKILL of `ingest`, "+c.what, "run again, it ends with the bytes of an ingest that nothing disturbed; nothing is left over")
		if err := b.killAll(ctx, v, c.kills); err != nil {
			return nil, err
		}
		rows = append(rows, v.row)
	}
	return rows, nil
}

// killMerge kills ingest merge of two parts.
func killMerge(ctx context.Context, b *bench) ([]*row, error) {
	src, bad, err := b.spoiledTar("cifar10-test.tar", 10_000, 0.01)
	if err != nil {
		return nil, err
	}
	parts := []string{filepath.Join(b.work, "part1"), filepath.Join(b.work, "part2")}
	for i, part := range parts {
		e, err := b.ingest(ctx, "-in", src, "-out", part, "-part", fmt.Sprintf("%d/2", i+1), "-shard-mb", "1", "-dedupe", "-max-bad", "0.1")
		if err != nil || e.code != 0 {
			return nil, fmt.Errorf("part %d: %w %s", i+1, err, e.stderr)
		}
	}
	v := &victim{bad: bad, args: func(out string) []string { return append([]string{"merge", "-out", out}, parts...) }}
	v.row = newRow("SIGKILL of `ingest merge`, two parts of CIFAR-10", "the same")
	return []*row{v.row}, b.killAll(ctx, v, max(1, b.kills/5))
}

// killAll runs a victim undisturbed, and kills it so many times.
func (b *bench) killAll(ctx context.Context, v *victim, kills int) error {
	dir, err := os.MkdirTemp(b.work, "killed-")
	if err != nil {
		return err
	}
	v.want = filepath.Join(dir, "want")
	for range 2 { // the first one loads what the second finds in memory
		if err := os.RemoveAll(v.want); err != nil {
			return err
		}
		begin := time.Now()
		if e, err := b.ingest(ctx, v.args(v.want)...); err != nil || e.code != 0 {
			return fmt.Errorf("undisturbed: %w %s", err, e.stderr)
		}
		v.took = time.Since(begin)
	}
	if v.must, err = outcomeOf(ctx, v.want); err != nil {
		return err
	}
	list, err := filepath.Glob(filepath.Join(v.want, "shard-*.arrow"))
	if err != nil {
		return err
	}
	v.shards = len(list)
	if len(v.must.bad) != v.bad {
		v.row.fail("undisturbed, %d images were set aside of %d that are bad", len(v.must.bad), v.bad)
	}
	random := b.random(v.row.fault)
	for attempt := 0; v.row.times < kills && attempt < 20*kills; attempt++ {
		parent := filepath.Join(dir, strconv.Itoa(attempt))
		if err := os.Mkdir(parent, 0o755); err != nil {
			return err
		}
		atEnd := v.row.times >= kills-kills/5 // a fifth dies between the last shard and the last rename, or just after it
		if err := b.killOnce(ctx, v, filepath.Join(parent, "shards"), atEnd, random); err != nil {
			return err
		}
		if err := os.RemoveAll(parent); err != nil {
			return err
		}
	}
	if v.row.times < kills {
		v.row.fail("it was over before it was killed in most cases: only %d kills", v.row.times)
	}
	return nil
}

var keptShards = regexp.MustCompile(`which had written (\d+) shards`)

// killOnce kills a victim at a random moment of its run, or at its end, and has it go on.
func (b *bench) killOnce(ctx context.Context, v *victim, out string, atEnd bool, random *rand.Rand) error {
	p, err := start(ctx, b.program, v.args(out)...)
	if err != nil {
		return err
	}
	if atEnd {
		awaitFile(filepath.Join(out+".partial", "manifest.json"), out, v.took*3)
		time.Sleep(time.Duration(random.Int64N(int64(3 * time.Millisecond))))
	} else {
		time.Sleep(time.Duration(random.Int64N(int64(v.took))))
	}
	if !p.kill() {
		return nil // it was over: another moment is drawn
	}
	v.row.tried()
	if _, err := os.Stat(out); err == nil { // killed behind the rename: all must be there
		v.row.add("killed when all was written", 1)
		if _, err := datasets.Verify(ctx, out, nil); err != nil {
			v.row.fail("the folder was there, and is not whole: %v", err)
			return nil
		}
		got, err := outcomeOf(ctx, out)
		if err == nil {
			v.row.compare(got.from(v.must))
		}
		return err
	}
	e, err := b.ingest(ctx, v.args(out)...)
	if err != nil {
		return err
	}
	if !v.row.ended("run again", e) {
		return nil
	}
	if e.code != 0 {
		v.row.fail("run again, it fails: %s", e.stderr)
		return nil
	}
	return v.check(ctx, e, out)
}

// check compares what was written by an ingest that was run again with what an undisturbed one writes.
func (v *victim) check(ctx context.Context, e ending, out string) error {
	if kept := keptShards.FindStringSubmatch(e.stdout); kept != nil {
		n, _ := strconv.Atoi(kept[1]) // of digits
		v.row.add("went on", 1)
		v.row.add("shards were there then", n)
		v.row.add("were read again", v.shards-n)
	} else {
		v.row.add("began anew", 1)
	}
	got, err := outcomeOf(ctx, out)
	if err != nil {
		return err
	}
	v.row.compare(got.from(v.must))
	for _, check := range []func() (string, error){
		func() (string, error) { return sameFiles(out, v.want) },
		func() (string, error) { return alone(out) },
	} {
		why, err := check()
		if err != nil {
			return err
		}
		if why != "" {
			v.row.fail("run again: %s", why)
		}
	}
	return nil
}

// awaitFile waits until either file is there, at most so long.
func awaitFile(name, other string, most time.Duration) {
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(50 * time.Microsecond) {
		for _, n := range []string{name, other} {
			if _, err := os.Stat(n); err == nil {
				return
			}
		}
	}
}
