package main

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// A face writes text of one kind.
type face struct{ font.Face }

// typefaces are the kinds of text in a picture.
type typefaces struct{ title, bold, plain, mono face }

func newTypefaces() (typefaces, error) {
	var t typefaces
	for _, f := range []struct {
		to   *face
		data []byte
		size float64
	}{{&t.title, gobold.TTF, 22}, {&t.bold, gobold.TTF, 14}, {&t.plain, goregular.TTF, 13}, {&t.mono, gomono.TTF, 12.5}} {
		parsed, err := opentype.Parse(f.data)
		if err != nil {
			return t, fmt.Errorf("read a font: %w", err)
		}
		if f.to.Face, err = opentype.NewFace(parsed, &opentype.FaceOptions{Size: f.size, DPI: 72, Hinting: font.HintingFull}); err != nil {
			return t, fmt.Errorf("read a font: %w", err)
		}
	}
	return t, nil
}

func (t typefaces) close() error {
	return errors.Join(t.title.Close(), t.bold.Close(), t.plain.Close(), t.mono.Close())
}

// write draws text with its upper left corner at a point.
func (f face) write(to *image.RGBA, at image.Point, text string, ink color.Color) {
	d := font.Drawer{Dst: to, Src: image.NewUniform(ink), Face: f}
	d.Dot = fixed.P(at.X, at.Y).Add(fixed.Point26_6{Y: f.Metrics().Ascent})
	d.DrawString(text)
}

func (f face) width(text string) int { return font.MeasureString(f, text).Ceil() }

// clip cuts the beginning off a text that is too wide: the end of a name says more.
func (f face) clip(text string, width int) string {
	if f.width(text) <= width {
		return text
	}
	letters := []rune(text)
	for len(letters) > 0 && f.width("…"+string(letters)) > width {
		letters = letters[1:]
	}
	return "…" + string(letters)
}

// wrap appends a text in lines of at most that width; a word that is wider has its end in the next line.
func (l *layout) wrap(lines []textLine, text string, f face, ink color.Color, height, width int) []textLine {
	line := ""
	flush := func() {
		if line != "" {
			lines = append(lines, textLine{line, f, ink, height})
		}
	}
	for _, word := range strings.Fields(text) {
		if joined := strings.TrimPrefix(line+" "+word, " "); f.width(joined) <= width {
			line = joined
			continue
		}
		flush()
		for line = word; f.width(line) > width; {
			fits := len([]rune(line)) - 1
			for fits > 1 && f.width(string([]rune(line)[:fits])) > width {
				fits--
			}
			rest := string([]rune(line)[fits:])
			line = string([]rune(line)[:fits])
			flush()
			line = rest
		}
	}
	flush()
	return lines
}
