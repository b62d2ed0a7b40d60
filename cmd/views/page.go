package main

import (
	"bytes"
	_ "embed" // the page
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/jpeg"
	"image/png"
	"io"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"exact":  func(m *image.RGBA) (template.URL, error) { return dataURL("image/png", png.Encode, m) },
	"legend": func() string { return legend },
	"photo":  func(m *image.RGBA) (template.URL, error) { return dataURL("image/jpeg", encodeJPEG, m) },
}).Parse(pageText))

// writePage writes the sheet as a page of HTML that needs nothing else.
func (s *sheet) writePage(w io.Writer) error { return page.Execute(w, s) }

func encodeJPEG(w io.Writer, m image.Image) error {
	return jpeg.Encode(w, m, &jpeg.Options{Quality: 90})
}

// dataURL is an image within the page.
func dataURL(kind string, encode func(io.Writer, image.Image) error, m *image.RGBA) (template.URL, error) {
	var b bytes.Buffer
	if err := encode(&b, m); err != nil {
		return "", fmt.Errorf("encode a picture: %w", err)
	}
	return template.URL("data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(b.Bytes())), nil
}

// Placement puts the original into a square.
func (c card) Placement() template.CSS {
	r := ratio(c.W, c.H)
	return template.CSS(fmt.Sprintf("width: %.2f%%; aspect-ratio: %.4f", 100*min(1, r), r))
}

// smallSide is the side up to which the pixels of an image are shown as squares.
const smallSide = 128

// Small reports whether the image is shown as squares.
func (c card) Small() bool { return max(c.W, c.H) <= smallSide }

// SmallViews reports whether the views are shown as squares.
func (s *sheet) SmallViews() bool { return s.Size <= smallSide }
