// Scale writes a collection of many small images, each of other bytes, to show what a collection of millions costs:
//
//	go run ./benchmarks/scale -images 10000000 -out /tmp/images.tar     a tar archive, 1 KiB an image
//	go run ./benchmarks/scale -images 2000000 -out /tmp/images          a folder of 1,000 class folders
//
// One image in a million is broken, and one in a thousand has the bytes of another under a name of its own.
package main

import (
	"flag"
	"log"
	"strings"
)

func main() {
	log.SetFlags(0)
	images := flag.Int("images", 1_000_000, "how many")
	out := flag.String("out", "", "the archive, NAME.tar, or the folder to write")
	flag.Parse()
	if *out == "" || *images < 1 || flag.NArg() > 0 {
		flag.Usage()
		log.Fatal("scale: -out names what to write, and -images is at least 1")
	}
	write := writeFolder
	if strings.HasSuffix(*out, ".tar") {
		write = writeTar
	}
	if err := write(*out, *images); err != nil {
		log.Fatalf("scale: %v", err)
	}
}
