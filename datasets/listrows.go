package datasets

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A listRow is one line of a list.
type listRow struct {
	line               int
	path, label, split string
}

// Names that columns of a list, or fields of a line of JSON, may have: the first that is there counts.
var (
	pathColumns  = []string{"path", "file", "filename", "file_name", "image", "image_path", "url"}
	splitColumns = []string{"split", "set"}
)

// expectedList says what a list is.
var expectedList = fmt.Sprintf("a list has a header with a column %s, and %s for labels, or lines of a path, or of a path and a label",
	strings.Join(pathColumns, ", "), strings.Join(labelColumns, ", "))

// mostLine is the size of a line, in bytes, above which a list is taken for damaged.
const mostLine = 1 << 20

var byteOrderMark = []byte("\ufeff")

// readList yields the lines of a list, until an error ends it: JSON if the first begins with a brace, fields between tabs if it has one, or
// else between commas. With an error comes a row that tells the line.
func readList(in *bufio.Reader) iter.Seq2[listRow, error] {
	head, err := in.Peek(mostHeadLine)
	if err != nil && !errors.Is(err, io.EOF) {
		return func(yield func(listRow, error) bool) { yield(listRow{line: 1}, err) }
	}
	if bytes.HasPrefix(head, byteOrderMark) {
		head = head[len(byteOrderMark):]
		_, err := in.Discard(len(byteOrderMark)) // has been seen, so it is there
		if err != nil {
			return func(yield func(listRow, error) bool) { yield(listRow{line: 1}, err) }
		}
	}
	form, _ := listForm(head)
	if form == '{' {
		return readJSONLines(in)
	}
	return readFields(in, rune(form))
}

// mostHeadLine is how much of the first line tells the form of a list, in bytes.
const mostHeadLine = 64 << 10

// listForm returns the brace of a list in JSON, or the character between the fields of a list, and the first line.
func listForm(head []byte) (form byte, first []byte) {
	head = bytes.TrimLeft(head, "\r\n \t")
	first, _, _ = bytes.Cut(head, []byte("\n"))
	switch {
	case bytes.HasPrefix(first, []byte("{")):
		return '{', first
	case bytes.ContainsRune(first, '\t'):
		return '\t', first
	}
	return ',', first
}

// isList reports whether a file that begins with head is a list: text whose first line names columns of a list or an image.
func isList(head []byte) bool {
	if len(head) == headBytes { // it may end within a character
		for i := 0; i < utf8.UTFMax-1 && !utf8.Valid(head); i++ {
			head = head[:len(head)-1]
		}
	}
	head = bytes.TrimPrefix(head, byteOrderMark)
	if !utf8.Valid(head) || bytes.ContainsFunc(head, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) }) {
		return false
	}
	form, first := listForm(head)
	if form == '{' {
		return bytes.HasPrefix(bytes.TrimLeft(first[1:], " \t"), []byte(`"`))
	}
	r := csv.NewReader(bytes.NewReader(first))
	r.Comma, r.LazyQuotes = rune(form), true // the line may be cut within quotes
	fields, err := r.Read()
	if err != nil {
		return false
	}
	return findName(fields, pathColumns) >= 0 || isImage(fields[0])
}

// findName returns the place of the first of some names among fields; -1 where there is none.
func findName(fields, names []string) int {
	for _, name := range names {
		i := slices.IndexFunc(fields, func(f string) bool { return strings.EqualFold(strings.TrimSpace(f), name) })
		if i >= 0 {
			return i
		}
	}
	return -1
}

// readFields yields the lines of a list with fields, quoted as RFC 4180 has it.
func readFields(in *bufio.Reader, comma rune) iter.Seq2[listRow, error] {
	return func(yield func(listRow, error) bool) {
		limit := &lineLimit{in: in}
		r := csv.NewReader(limit)
		r.Comma, r.ReuseRecord = comma, true
		var columns *listColumns
		for row := (listRow{line: 1}); ; {
			limit.left = mostLine
			fields, err := r.Read()
			var wrong *csv.ParseError
			switch {
			case errors.Is(err, io.EOF):
				return
			case errors.As(err, &wrong):
				yield(listRow{line: wrong.Line}, explainFields(wrong, len(fields)))
				return
			case err != nil:
				yield(listRow{line: row.line + 1}, err)
				return
			}
			row.line, _ = r.FieldPos(0)
			if columns == nil {
				var header bool
				if columns, header, err = newListColumns(fields); err != nil {
					yield(row, err)
					return
				}
				if header {
					continue
				}
			}
			row, err = columns.row(row.line, fields)
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// explainFields says what is wrong with a line that package csv cannot read.
func explainFields(wrong *csv.ParseError, fields int) error {
	if errors.Is(wrong.Err, csv.ErrFieldCount) {
		return fmt.Errorf("%d fields, not as many as the first line has: quote fields that hold the character between fields", fields)
	}
	return fmt.Errorf("column %d: %w; quote whole fields, and write a quote within them twice", wrong.Column, wrong.Err)
}

// listColumns are the places of fields in each line; -1: none.
type listColumns struct{ path, label, split int }

// newListColumns tells the columns by the first line, which may be a header.
func newListColumns(first []string) (c *listColumns, header bool, err error) {
	if path := findName(first, pathColumns); path >= 0 {
		return &listColumns{path, findName(first, labelColumns), findName(first, splitColumns)}, true, nil
	}
	if !isImage(first[0]) || len(first) > 2 {
		return nil, false, fmt.Errorf("%q is neither a header nor an image; %s", strings.Join(first, ", "), expectedList)
	}
	c = &listColumns{0, -1, -1}
	if len(first) == 2 {
		c.label = 1
	}
	return c, false, nil
}

func (c *listColumns) row(line int, fields []string) (listRow, error) {
	field := func(i int) string {
		if i < 0 {
			return ""
		}
		return fields[i]
	}
	r := listRow{line, field(c.path), strings.TrimSpace(field(c.label)), strings.TrimSpace(field(c.split))}
	return r, r.check()
}

// check looks at a path as far as can be done without a look at what it leads to.
func (r *listRow) check() error {
	if p := path.Clean(r.path); r.path == "" || p == "." || p == "/" {
		return fmt.Errorf("the path is %q; %s", r.path, expectedList)
	}
	return nil
}

// A lineLimit reads at most left bytes, so that a quote that is never closed does not take all memory. What package csv has buffered of the
// next line does not matter.
type lineLimit struct {
	in   io.Reader
	left int
}

func (l *lineLimit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("a line of more than %d bytes: a quote is not closed, or this is no list", mostLine)
	}
	n, err := l.in.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// readJSONLines yields the lines of a list that are an object of JSON each.
func readJSONLines(in *bufio.Reader) iter.Seq2[listRow, error] {
	return func(yield func(listRow, error) bool) {
		lines := bufio.NewScanner(in)
		lines.Buffer(nil, mostLine)
		line := 0
		for lines.Scan() {
			line++
			if len(bytes.TrimSpace(lines.Bytes())) == 0 {
				continue
			}
			row, err := parseJSONLine(line, lines.Bytes())
			if !yield(row, err) || err != nil {
				return
			}
		}
		if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
			yield(listRow{line: line + 1}, fmt.Errorf("a line of more than %d bytes: this is no list", mostLine))
		} else if err != nil {
			yield(listRow{line: line + 1}, err)
		}
	}
}

func parseJSONLine(line int, text []byte) (row listRow, err error) {
	row.line = line
	var object map[string]json.RawMessage
	if !utf8.Valid(text) {
		return row, errors.New("not UTF-8")
	}
	if err := json.Unmarshal(text, &object); err != nil {
		return row, fmt.Errorf(`%w; each line is an object like {"path": "a/1.jpg", "label": "a"}`, err)
	}
	for _, f := range []struct {
		to    *string
		names []string
	}{{&row.path, pathColumns}, {&row.label, labelColumns}, {&row.split, splitColumns}} {
		for _, name := range f.names {
			value, ok := object[name]
			if !ok {
				continue
			}
			if *f.to, err = jsonText(value); err != nil {
				return row, fmt.Errorf("%q is %s: a text is expected, or the number of a class", name, value)
			}
			break
		}
	}
	return row, row.check()
}

// jsonText returns a text, or an integer as it is written; "" for null.
func jsonText(value json.RawMessage) (text string, err error) {
	if value[0] == '"' || value[0] == 'n' {
		err = json.Unmarshal(value, &text)
		return text, err
	}
	var n int64
	err = json.Unmarshal(value, &n)
	return string(value), err
}
