// Service prints the features of the images named on the command line: the smallest program with a trained encoder.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/goclr/goclr/backends"
	_ "github.com/goclr/goclr/backends/reference"
	"github.com/goclr/goclr/simclr"
)

func main() {
	ctx := context.Background()
	b, err := backends.Open(ctx, "reference", backends.Options{})
	if err != nil {
		log.Fatal(err)
	}
	encoder, err := simclr.OpenEncoder(ctx, b, os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range os.Args[2:] {
		image, err := os.ReadFile(path)
		if err != nil {
			log.Fatal(err)
		}
		features, err := encoder.Embed(ctx, image)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(path, features[0])
	}
}
