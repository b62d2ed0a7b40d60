package parquet

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/parquet"

	"github.com/goclr/goclr/datasets/internal/parquet/parquettest"
)

// small returns a few rows of the table.
func small(t testing.TB, f parquettest.File) []byte {
	columns := table(true)
	for i := range columns {
		columns[i].Values = columns[i].Values[:12]
	}
	return parquettest.Write(t, f, columns...)
}

// TestTruncated cuts a file at every length: each must be an error.
func TestTruncated(t *testing.T) {
	b := small(t, parquettest.File{GroupRows: 7})
	for n := range b {
		if _, err := readAll(b[:n]); err == nil {
			t.Fatalf("%d of %d bytes: no error", n, len(b))
		}
	}
	footer := b[bytes.LastIndex(b[:len(b)-8], []byte("image"))-200:]
	if _, err := readAll(slices.Concat([]byte(Magic), footer)); err == nil {
		t.Error("a file without its pages: no error")
	}
}

// TestFlipped flips bits all over files of every encoding: whatever comes of it comes soon, and is no panic.
func TestFlipped(t *testing.T) {
	step := 13
	if testing.Short() {
		step = 101
	}
	for name, properties := range encodings() {
		b := small(t, parquettest.File{GroupRows: 7, Properties: properties})
		failed := 0
		for i := 0; i < len(b); i += step {
			b[i] ^= 1 << (i / step % 8)
			if _, err := readAll(b); err != nil {
				failed++
			}
			b[i] ^= 1 << (i / step % 8)
		}
		if failed == 0 {
			t.Errorf("%s: no flip was noticed", name)
		}
	}
}

// TestErrors has messages say what is wrong with a file and what to do.
func TestErrors(t *testing.T) {
	whole := small(t, parquettest.File{})
	edit := func(change func(b []byte)) []byte {
		b := bytes.Clone(whole)
		change(b)
		return b
	}
	for _, c := range []struct {
		b    []byte
		says string
	}{
		{nil, "0 bytes are no Parquet file"},
		{[]byte("PAR1 and much that is not"), "truncated, or no Parquet file"},
		{edit(func(b []byte) { copy(b[len(b)-4:], "PARE") }), "encrypted"},
		{edit(func(b []byte) { b[len(b)-5] = 1 }), "footer is damaged"},
		{edit(func(b []byte) { copy(b[len(b)-20:], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff") }), "footer of"},
		{edit(func(b []byte) { b[4] = 0xff }), "row 0, column image.bytes"},
	} {
		if _, err := readAll(c.b); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("error %v, want %q", err, c.says)
		}
	}
}

// TestPageSize has a header that asks for more memory than its column has bytes be an error before it gets any.
func TestPageSize(t *testing.T) {
	for _, sizes := range [][2]int64{{1 << 30, 10}, {10, 1 << 30}, {maxPage, maxPage}} {
		header := []byte{0x15, 0, 0x15} // a page of values; its size unpacked
		header = append(binary.AppendVarint(header, sizes[0]), 0x15)
		header = append(binary.AppendVarint(header, sizes[1]), 0)
		c := &columnReader{in: bufio.NewReader(bytes.NewReader(header)), mostPacked: 1000, mostUnpacked: smallPage}
		if err := c.nextPage(); err == nil || !strings.Contains(err.Error(), "more than the whole column has") {
			t.Errorf("%d bytes: error %v", sizes, err)
		}
		if cap(c.packed)+cap(c.page) > smallPage {
			t.Errorf("%d bytes: memory was taken", sizes)
		}
	}
}

// FuzzRead reads anything as a Parquet file.
func FuzzRead(f *testing.F) {
	for _, properties := range encodings() {
		f.Add(small(f, parquettest.File{GroupRows: 7, Properties: properties}))
	}
	f.Add(small(f, parquettest.File{Properties: []parquet.WriterProperty{parquet.WithStats(false)}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		rows, err := readAll(b)
		if err == nil && len(rows) > 0 && len(b) < 100 {
			t.Errorf("%d rows of %d bytes", len(rows), len(b))
		}
	})
}
