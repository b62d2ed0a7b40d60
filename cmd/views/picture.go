package main

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"

	"golang.org/x/image/draw"
)

// The measures of a picture, in pixels. A card is a row of squares, the original and its views, with text below.
const (
	leastSide   = 192 // of a square; smaller views are enlarged by a whole factor
	margin      = 28
	cardPad     = 16
	columnGap   = 14
	cardGap     = 16
	titleHeight = 28 // of a card
	textGap     = 6  // below a square
	lineHeight  = 19
	nameWidth   = 52 // of a line's name
	stroke      = 3  // of the outline of a part
	dash        = 9
	swatch      = 15 // side of the sign of a view
)

var (
	ground    = color.RGBA{0xf4, 0xf5, 0xf7, 255}
	paper     = color.RGBA{0xff, 0xff, 0xff, 255}
	edge      = color.RGBA{0xdc, 0xdf, 0xe4, 255}
	ink       = color.RGBA{0x1d, 0x21, 0x27, 255}
	softInk   = color.RGBA{0x5d, 0x66, 0x72, 255}
	halo      = color.RGBA{0, 0, 0, 140}
	viewInks  = []color.RGBA{{0x0a, 0x7c, 0xff, 255}, {0xf0, 0x80, 0x00, 255}}
	viewDash  = []int{0, dash}
	warnInk   = color.RGBA{0x8a, 0x4b, 0x00, 255}
	pngEncode = png.Encoder{CompressionLevel: png.BestCompression}
)

// writePicture writes the sheet as one PNG. The pixels of a view are those of training, each as a square of zoom by zoom.
func (s *sheet) writePicture(w io.Writer) error {
	l, err := newLayout(s)
	if err != nil {
		return err
	}
	defer l.close()
	return pngEncode.Encode(w, l.draw())
}

// A layout is where things stand in a picture.
type layout struct {
	*sheet
	typefaces
	zoom       int // pixels of the picture to one of a view, each way
	side       int // of a square
	columns    int // cards next to one another
	card       image.Point
	head, foot []textLine
	size       image.Point
}

type textLine struct {
	text   string
	face   face
	ink    color.Color
	height int
}

func newLayout(s *sheet) (*layout, error) {
	t, err := newTypefaces()
	if err != nil {
		return nil, err
	}
	l := &layout{sheet: s, typefaces: t}
	l.zoom = max(1, (leastSide+s.Size-1)/s.Size)
	l.side = l.zoom * s.Size
	squares, lines := 1, 0
	for _, c := range s.Cards {
		squares = max(squares, 1+len(c.Views))
		for _, column := range c.columns() {
			lines = max(lines, column.height())
		}
	}
	l.card = image.Pt(2*cardPad+squares*l.side+(squares-1)*columnGap, 2*cardPad+titleHeight+l.side+textGap+lines*lineHeight)
	n := len(s.Cards)
	rows := n
	for l.columns = 1; l.columns < n && l.columns*l.card.X < rows*l.card.Y; {
		l.columns++
		rows = (n + l.columns - 1) / l.columns
	}
	width := l.columns*(l.card.X+cardGap) - cardGap
	l.head = l.wrap(l.head, s.Title, l.title, ink, 30, width)
	l.head = l.wrap(l.head, s.Facts, l.plain, softInk, lineHeight, width)
	l.head = l.wrap(l.head, s.Run, l.plain, softInk, lineHeight, width)
	l.head = l.wrap(l.head, s.Warning, l.plain, warnInk, lineHeight, width)
	l.foot = l.wrap(l.foot, legend, l.plain, softInk, lineHeight, width)
	l.foot = l.wrap(l.foot, s.Command, l.mono, softInk, lineHeight, width)
	l.size = image.Pt(2*margin+width, 2*margin+height(l.head)+cardGap+rows*(l.card.Y+cardGap)+height(l.foot))
	return l, nil
}

func height(lines []textLine) int {
	h := 0
	for _, line := range lines {
		h += line.height
	}
	return h
}

func (l *layout) draw() *image.RGBA {
	to := image.NewRGBA(image.Rectangle{Max: l.size})
	fill(to, to.Rect, ground)
	drawText(to, image.Pt(margin, margin), l.head)
	for i := range l.Cards {
		l.drawCard(to, i)
	}
	drawText(to, image.Pt(margin, l.size.Y-margin-height(l.foot)), l.foot)
	return to
}

func drawText(to *image.RGBA, at image.Point, lines []textLine) {
	for _, line := range lines {
		line.face.write(to, at, line.text, line.ink)
		at.Y += line.height
	}
}

// square is where the original, column 0, or a view of a card stands.
func (l *layout) square(card, column int) image.Rectangle {
	corner := image.Pt(card%l.columns*(l.card.X+cardGap), card/l.columns*(l.card.Y+cardGap))
	corner = corner.Add(image.Pt(margin+cardPad+column*(l.side+columnGap), margin+height(l.head)+cardGap+cardPad+titleHeight))
	return squareAt(corner, l.side)
}

func (l *layout) drawCard(to *image.RGBA, i int) {
	c, first := l.Cards[i], l.square(i, 0)
	corner := first.Min.Sub(image.Pt(cardPad, cardPad+titleHeight))
	frame := image.Rectangle{corner, corner.Add(l.card)}
	fill(to, frame, edge)
	fill(to, frame.Inset(1), paper)
	title := fmt.Sprintf("Image %d", c.ID)
	if c.Class != "" {
		title += "  " + c.Class
	}
	l.bold.write(to, corner.Add(image.Pt(cardPad, cardPad)), l.bold.clip(title, l.card.X-2*cardPad), ink)
	l.drawOriginal(to, first, c)
	for j, column := range c.columns() {
		place := l.square(i, j)
		if column.view != nil {
			m := column.view.Pixels
			draw.NearestNeighbor.Scale(to, place, m, m.Rect, draw.Src, nil)
		}
		l.drawColumn(to, image.Pt(place.Min.X, place.Max.Y+textGap), column)
	}
}

// drawOriginal draws the original in the middle of a square, with the parts that the views show.
func (l *layout) drawOriginal(to *image.RGBA, place image.Rectangle, c card) {
	m := scale(c.Original, fit(c.W, c.H, l.side))
	r := m.Rect.Add(place.Min).Add(place.Size().Sub(m.Rect.Size()).Div(2))
	draw.Draw(to, r, m, image.Point{}, draw.Src)
	for _, v := range c.Views {
		if v.Crop.Empty() {
			continue
		}
		part := image.Rect(v.Crop.Min.X*r.Dx()/c.W, v.Crop.Min.Y*r.Dy()/c.H, v.Crop.Max.X*r.Dx()/c.W, v.Crop.Max.Y*r.Dy()/c.H)
		part = part.Add(r.Min)
		outline(to, part.Inset(-2), stroke+2, halo, 0)
		outline(to, part.Inset(-1), stroke, v.ink(), v.dash())
	}
}

// A column is the text below a square.
type column struct {
	title string
	view  *view    // nil below the original
	facts []string // below the original
	lines []line
}

func (c card) columns() []column {
	original := column{title: "Original", facts: []string{c.Dimensions()}, lines: c.Lines}
	if c.Key != "" {
		original.facts = append(original.facts, c.Key)
	}
	list := []column{original}
	for i := range c.Views {
		v := &c.Views[i]
		list = append(list, column{title: fmt.Sprintf("View %d", v.Number), view: v, lines: v.Lines})
	}
	return list
}

// A row is a name and a text below the title of a column.
type row struct {
	name, text string
	ink        color.Color
}

func (c column) rows() []row {
	var rows []row
	for _, l := range c.lines {
		r := row{name: l.Name, ink: ink}
		if l.Off {
			r.ink = softInk
		}
		for _, r.text = range l.Texts {
			rows = append(rows, r)
			r.name = ""
		}
	}
	return rows
}

// height is the number of lines of text.
func (c column) height() int { return 1 + len(c.facts) + len(c.rows()) }

func (l *layout) drawColumn(to *image.RGBA, at image.Point, c column) {
	title := at
	if c.view != nil {
		outline(to, squareAt(at.Add(image.Pt(0, 1)), swatch), stroke, c.view.ink(), min(c.view.dash(), swatch/3))
		title.X += 20
	}
	l.bold.write(to, title, c.title, ink)
	for _, fact := range c.facts {
		at.Y += lineHeight
		l.plain.write(to, at, l.plain.clip(fact, l.side), softInk)
	}
	for _, r := range c.rows() {
		at.Y += lineHeight
		l.plain.write(to, at, l.plain.clip(r.name, nameWidth), softInk)
		l.plain.write(to, at.Add(image.Pt(nameWidth, 0)), l.plain.clip(r.text, l.side-nameWidth), r.ink)
	}
}

func (v view) ink() color.Color { return viewInks[(v.Number-1)%len(viewInks)] }
func (v view) dash() int        { return viewDash[(v.Number-1)%len(viewDash)] }

func squareAt(at image.Point, side int) image.Rectangle {
	return image.Rectangle{at, at.Add(image.Pt(side, side))}
}

func fill(to *image.RGBA, r image.Rectangle, c color.Color) {
	draw.Draw(to, r, image.NewUniform(c), image.Point{}, draw.Over)
}

// outline draws the inner border of r, dashed unless dash is 0.
func outline(to *image.RGBA, r image.Rectangle, width int, c color.Color, dash int) {
	inner := r.Inset(width)
	if inner.Empty() {
		fill(to, r, c)
		return
	}
	for _, side := range []image.Rectangle{
		{r.Min, image.Pt(r.Max.X, inner.Min.Y)}, {image.Pt(r.Min.X, inner.Max.Y), r.Max},
		{image.Pt(r.Min.X, inner.Min.Y), image.Pt(inner.Min.X, inner.Max.Y)},
		{image.Pt(inner.Max.X, inner.Min.Y), image.Pt(r.Max.X, inner.Max.Y)},
	} {
		if dash == 0 {
			fill(to, side, c)
			continue
		}
		step := image.Pt(2*dash, 0)
		if side.Dy() > side.Dx() {
			step = image.Pt(0, 2*dash)
		}
		for piece := squareAt(side.Min, dash); piece.Overlaps(side); piece = piece.Add(step) {
			fill(to, piece.Intersect(side), c)
		}
	}
}
