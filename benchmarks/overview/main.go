// Overview draws the picture of the README: what becomes of three images on their way to the encoder. The views in it are
// made by the pipeline.
//
//	go run ./benchmarks/overview > benchmarks/results/overview.svg
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"log"
	"os"

	"github.com/goclr/goclr/datasets"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages"
)

const (
	rows = 3
	side = 96
)

func main() {
	images, err := datasets.Open(context.Background(), "synthetic:n=3,size=96,seed=12", datasets.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer images.Close()
	originals := views(images, stages.Decode{}, stages.Resize{Size: side})
	pairs := views(images, stages.Decode{}, pipeline.Pair(stages.SimCLR(side, 1)...))
	if _, err := os.Stdout.WriteString(draw(originals, pairs)); err != nil {
		log.Fatal(err)
	}
}

// views returns the first batch of the chain as JPEG files.
func views(src pipeline.Source, chain ...pipeline.Stage) [][]byte {
	p, err := pipeline.New(src, pipeline.Options{Batch: rows, Epochs: 1, Seed: 7, Ordered: true}, chain...)
	if err != nil {
		log.Fatal(err)
	}
	var files [][]byte
	for batch, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			log.Fatal(err)
		}
		pix, _, err := pipeline.Views(batch)
		if err != nil {
			log.Fatal(err)
		}
		for ; len(pix) > 0; pix = pix[3*side*side:] {
			files = append(files, encode(pix[:3*side*side]))
		}
	}
	return files
}

func encode(pix []byte) []byte {
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		m.Set(i%side, i/side, color.RGBA{pix[3*i], pix[3*i+1], pix[3*i+2], 255})
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 85}); err != nil {
		log.Fatal(err)
	}
	return b.Bytes()
}

const (
	pitch = side + 14 // of rows
	top   = 44
)

// draw returns the picture: columns for images, views, the record and the step, joined by arrows.
func draw(originals, pairs [][]byte) string {
	var b bytes.Buffer
	height := top + rows*pitch + 40
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="940" height="%d" viewBox="0 0 940 %d" font-family="DejaVu Sans, Verdana, sans-serif" font-size="13" fill="#222">`+"\n", height, height)
	fmt.Fprintln(&b, `<rect width="100%" height="100%" fill="#fff"/>`)
	fmt.Fprintln(&b, `<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z" fill="#666"/></marker></defs>`)
	heading(&b, 68, "Source")
	heading(&b, 308, "Pair(crop, flip, colour, grey, blur)")
	heading(&b, 545, "Arrow record")
	heading(&b, 800, "SimCLR step")
	bottom := top + rows*pitch + 14
	note(&b, 68, bottom, "folder, tar, shards")
	note(&b, 308, bottom, "a goroutine an image, keyed random numbers")
	note(&b, 545, bottom, "uint8 [V,H,W,C]")
	note(&b, 800, bottom, "onnx or reference")
	for i := range rows {
		y := top + i*pitch
		mid := y + side/2
		picture(&b, 20, y, originals[i])
		arrow(&b, 120, mid, 196, mid)
		picture(&b, 202, y, pairs[2*i])
		picture(&b, 202+side+14, y, pairs[2*i+1])
		arrow(&b, 412, mid, 480, mid)
		for v, colour := range []string{"#d8e6f5", "#f7e3cf"} {
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="58" height="%d" fill="%s" stroke="#888"/><text x="%d" y="%d" text-anchor="middle">%d</text>`+"\n",
				488+58*v, y, side, colour, 517+58*v, mid+5, 2*i+v)
		}
	}
	mid := top + rows*pitch/2 - 7
	arrow(&b, 610, mid, 668, mid)
	for i, text := range []string{"encoder", "projection head", "NT-Xent: j and j XOR 1", "gradients, update"} {
		y := top + 28 + i*66
		fmt.Fprintf(&b, `<rect x="676" y="%d" width="248" height="44" rx="6" fill="#eef3ea" stroke="#7a9a6a"/><text x="800" y="%d" text-anchor="middle">%s</text>`+"\n", y, y+27, text)
		if i > 0 {
			arrow(&b, 800, y-22, 800, y-4)
		}
	}
	fmt.Fprintln(&b, `</svg>`)
	return b.String()
}

func heading(b *bytes.Buffer, x int, text string) {
	fmt.Fprintf(b, `<text x="%d" y="24" text-anchor="middle" font-weight="bold">%s</text>`+"\n", x, text)
}

func note(b *bytes.Buffer, x, y int, text string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle" font-size="11" fill="#555">%s</text>`+"\n", x, y, text)
}

func arrow(b *bytes.Buffer, x1, y1, x2, y2 int) {
	fmt.Fprintf(b, `<path d="M%d %d L%d %d" stroke="#666" stroke-width="1.5" marker-end="url(#a)"/>`+"\n", x1, y1, x2, y2)
}

func picture(b *bytes.Buffer, x, y int, jpeg []byte) {
	fmt.Fprintf(b, `<image x="%d" y="%d" width="%d" height="%d" href="data:image/jpeg;base64,%s"/>`+"\n", x, y, side, side, base64.StdEncoding.EncodeToString(jpeg))
}
