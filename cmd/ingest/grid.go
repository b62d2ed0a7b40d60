package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"slices"
	"strings"
)

// A grid counts images by width and height, each up to a power of two.
type grid map[[2]int]int

// sizes are the images of a cell of the grid; both sides are 0 where the size is not known.
type sizes struct {
	Width  int `json:"width_to"` // more than half of it
	Height int `json:"height_to"`
	Images int `json:"images"`
}

func (g grid) add(width, height int) {
	if width <= 0 || height <= 0 {
		g[[2]int{}]++
		return
	}
	g[[2]int{powerAbove(width), powerAbove(height)}]++
}

// powerAbove is the least power of two that n does not exceed, but at least 16.
func powerAbove(n int) int { return max(16, 1<<bits.Len(uint(n-1))) }

func (g grid) sorted() []sizes {
	list := make([]sizes, 0, len(g))
	for cell, n := range g {
		list = append(list, sizes{cell[0], cell[1], n})
	}
	slices.SortFunc(list, func(a, b sizes) int { return cmp.Or(a.Height-b.Height, a.Width-b.Width) })
	return list
}

// printSizes draws the cells as a table: widths to the right, heights down.
func printSizes(w io.Writer, list []sizes) error {
	widths := map[int]bool{}
	for _, c := range list {
		widths[c.Width] = true
	}
	columns := slices.Sorted(maps.Keys(widths))
	t := newTable(w, strings.Repeat("r", 1+len(columns)))
	name := func(side int) string {
		if side == 0 {
			return "unknown"
		}
		return fmt.Sprint("to ", side)
	}
	head := []string{"height"}
	for _, width := range columns {
		head = append(head, name(width))
	}
	if err := t.row(head...); err != nil {
		return err
	}
	for len(list) > 0 {
		cells := make([]string, 1+len(columns))
		height := list[0].Height
		cells[0] = name(height)
		for ; len(list) > 0 && list[0].Height == height; list = list[1:] {
			at, _ := slices.BinarySearch(columns, list[0].Width)
			cells[1+at] = fmt.Sprint(list[0].Images)
		}
		if err := t.row(cells...); err != nil {
			return err
		}
	}
	return t.flush()
}
