// Scale shows what a collection of millions costs: it makes many small images, each of other bytes, in an archive and in a store that answers
// after a delay, has goclr's commands go over them, and prints a table in Markdown of how long each took and how much memory.
//
//	sh benchmarks/run_scale.sh -images 10000000
//
// Ten million images take 30 GB of the disk of -temp at the most.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	var b bench
	programs := flag.String("programs", "", "the `folder` of ingest and pretrain, as run_scale.sh builds them")
	temp := flag.String("temp", "", "the `folder` for images and shards (default that of the system)")
	flag.IntVar(&b.images, "images", 10_000_000, "how many")
	flag.DurationVar(&b.delay, "delay", 20*time.Millisecond, "of each answer of the store")
	flag.Parse()
	if *programs == "" || b.images < classes || flag.NArg() > 0 {
		log.Fatalf("scale: run it by run_scale.sh, with -images of %d or more", classes)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx, *programs, *temp); err != nil {
		log.Fatalf("scale: %v", err)
	}
}
