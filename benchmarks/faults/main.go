// Faults brings about what goes wrong with collections, disks and stores, counts what comes of it, and prints a table in Markdown.
// benchmarks/run_faults.sh builds what it needs and runs it. It ends with status 1 if anything came out other than it must.
//
// All is drawn from -seed, but for the moments at which processes meet each other and what go test -fuzz tries.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"time"
)

// A bench is what all faults are brought about with.
type bench struct {
	program   string // the built ingest
	data      string // folder of cifar10-test.tar and imagenet-sample.tar
	work      string // a folder for what is written
	self      string // this program, for processes of its own
	seed      uint64
	kills     int
	cases     int           // of each fault of a store or a disk
	mutations int           // of each format, and of each fuzz target
	patience  time.Duration // for one of these
}

// random returns numbers for a purpose, the same for each seed.
func (b *bench) random(purpose string) *rand.Rand {
	return rand.New(rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, b.seed, " ", purpose))))
}

// dir makes a folder for a purpose.
func (b *bench) dir(purpose string) (string, error) {
	name := filepath.Join(b.work, purpose)
	return name, os.MkdirAll(name, 0o755)
}

// A fault is one row of the table, or several of one kind.
type fault struct {
	name string // for -only
	run  func(ctx context.Context, b *bench) ([]*row, error)
}

var faults = []fault{
	{"kill-ingest", killIngest},
	{"kill-merge", killMerge},
	{"kill-reading", killReading},
	{"disk-full", fillDisk},
	{"read-errors", failReads},
	{"store", failStore},
	{"mutations", mutateInputs},
	{"fuzz", fuzz},
}

func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 && os.Args[1] == childWord {
		if err := child(os.Args[2:]); err != nil {
			log.Fatalf("faults: %v", err)
		}
		return
	}
	b := bench{patience: 30 * time.Second}
	flag.StringVar(&b.program, "ingest", "", "the `program` ingest, built")
	flag.StringVar(&b.data, "data", "", "the `folder` of cifar10-test.tar and imagenet-sample.tar")
	flag.StringVar(&b.work, "work", os.TempDir(), "a `folder` to work in; a new one in it is removed at the end")
	flag.Uint64Var(&b.seed, "seed", 0, "what is drawn is drawn from this `number` (default: another each time)")
	flag.IntVar(&b.kills, "kills", 50, "how often ingest, and how often a reader, is killed")
	flag.IntVar(&b.cases, "cases", 10, "how often a store or a disk fails in each way")
	flag.IntVar(&b.mutations, "mutations", 10_000, "mutated inputs of each format, and of each fuzz target")
	only := flag.String("only", "", "the faults whose names this `expression` matches (default: all)")
	flag.Parse()
	for b.seed == 0 {
		b.seed = rand.Uint64() >> 32
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	good, err := b.table(ctx, *only)
	if err != nil {
		log.Fatalf("faults: %v", err)
	}
	if !good {
		os.Exit(1)
	}
}

// table brings about the faults and prints their rows. It reports whether all came out as it must.
func (b *bench) table(ctx context.Context, only string) (good bool, err error) {
	if b.kills < 1 || b.cases < 1 || b.mutations < 1 {
		return false, errors.New("-kills, -cases and -mutations must be at least 1")
	}
	chosen, err := regexp.Compile(only)
	if err != nil {
		return false, fmt.Errorf("-only: %w", err)
	}
	if b.self, err = os.Executable(); err != nil {
		return false, err
	}
	if b.work, err = os.MkdirTemp(b.work, "goclr-faults-"); err != nil {
		return false, err
	}
	defer os.RemoveAll(b.work)
	fmt.Printf("Seed %d.\n\n%s", b.seed, heading)
	good = true
	for _, f := range faults {
		if !chosen.MatchString(f.name) {
			continue
		}
		begin := time.Now()
		rows, err := f.run(ctx, b)
		if err != nil {
			return false, fmt.Errorf("%s: %w", f.name, err)
		}
		for _, r := range rows {
			fmt.Println(r)
			for _, why := range r.wrong {
				fmt.Fprintf(os.Stderr, "%s: %s\n", r.fault, why)
			}
			good = good && len(r.wrong) == 0
		}
		fmt.Fprintf(os.Stderr, "%s: %s\n", f.name, time.Since(begin).Round(time.Second))
	}
	return good, nil
}
