package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"strconv"
	"strings"
)

const (
	classes    = 1000
	drawn      = 1024      // images that are encoded; the others differ from them by a comment
	copyEvery  = 1000      // one of these has the bytes of the one before
	brokenEach = 1_000_000 // one of these ends in the middle
)

// A collection makes the image of any number.
type collection struct{ encoded [][]byte }

func newCollection() (*collection, error) {
	c := &collection{}
	for n := range drawn {
		random := rand.New(rand.NewPCG(1, uint64(n)))
		picture := image.NewRGBA(image.Rect(0, 0, 8, 8))
		for y := range 8 {
			for x := range 8 {
				picture.Set(x, y, color.RGBA{R: uint8(random.IntN(256)), G: uint8(32 * x), B: uint8(32 * y), A: 255})
			}
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: 40}); err != nil {
			return nil, err
		}
		c.encoded = append(c.encoded, b.Bytes())
	}
	return c, nil
}

// name is what image n is called: class-007/00001007.jpg.
func name(n int) string { return fmt.Sprintf("class-%03d/%08d.jpg", n%classes, n) }

// number is that of the image of a name.
func number(name string) (int, error) {
	_, file, _ := strings.Cut(name, "/")
	return strconv.Atoi(strings.TrimSuffix(file, ".jpg"))
}

// image returns the bytes of image n.
func (c *collection) image(n int) []byte {
	content := n
	if n%copyEvery == copyEvery-1 {
		content--
	}
	base := c.encoded[content%drawn]
	comment := binary.BigEndian.AppendUint64([]byte{0xff, 0xfe, 0, 10}, uint64(content)) // a marker, and how many bytes follow it
	image := bytes.Join([][]byte{base[:2], comment, base[2:]}, nil)
	if n%brokenEach == brokenEach/2 {
		return image[:len(image)/2]
	}
	return image
}
