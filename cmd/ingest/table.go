package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// A table lines columns up, a few hundred rows at a time: it may have millions.
type table struct {
	w     io.Writer
	align string // of each column: l or r
	rows  [][]string
}

const tableRows = 500

func newTable(w io.Writer, align string) *table { return &table{w: w, align: align} }

// row adds a row. Its cells may come from outside.
func (t *table) row(cells ...string) error {
	for i := range cells {
		cells[i] = printable(cells[i])
	}
	if t.rows = append(t.rows, cells); len(t.rows) < tableRows {
		return nil
	}
	return t.flush()
}

// flush writes the rows there are.
func (t *table) flush() error {
	widths := make([]int, len(t.align))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	w := bufio.NewWriter(t.w)
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if t.align[i] == 'r' {
				line.WriteString(space + cell + "  ")
			} else {
				line.WriteString(cell + space + "  ")
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " ")) // an error stays until Flush
	}
	t.rows = t.rows[:0]
	return w.Flush()
}

// A tally counts images by name.
type tally map[string]int

func (t tally) add(name string, n int) { t[name] += n }

// A count is a name and how many images have it.
type count struct {
	Name   string `json:"name"`
	Images int    `json:"images"`
}

// sorted are the counts, the largest first.
func (t tally) sorted() []count {
	list := make([]count, 0, len(t))
	for name, n := range t {
		list = append(list, count{name, n})
	}
	slices.SortFunc(list, func(a, b count) int { return cmp.Or(b.Images-a.Images, strings.Compare(a.Name, b.Name)) })
	return list
}
