package parquet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/schema"

	"github.com/goclr/goclr/datasets/internal/parquet/parquettest"
)

// TestPages reads pages made by hand, of three numbers of which the second is null: what writers do seldom, and what none may do.
func TestPages(t *testing.T) {
	const plain, rle, dictionary = int64(0), int64(3), int64(8)
	five, seven := "\x05\x00\x00\x00", "\x07\x00\x00\x00"
	levels := "\x03\x05" // packed: 1, 0, 1 and five more
	for _, c := range []struct {
		name string
		h    pageHeader
		page string
		want string
	}{
		{"version 1", pageHeader{kind: dataPage, values: 3, encoding: plain, levelEncoding: rle}, "\x02\x00\x00\x00" + levels + five + seven, "5 null 7"},
		{"version 2", pageHeader{kind: dataPageV2, values: 3, encoding: plain, definition: 2}, levels + five + seven, "5 null 7"},
		{"needless repetition levels", pageHeader{kind: dataPageV2, values: 3, encoding: plain, definition: 2, repetition: 2}, "\x06\x00" + levels + five + seven, "5 null 7"},
		{"runs of levels", pageHeader{kind: dataPageV2, values: 3, encoding: plain, definition: 6}, "\x02\x01\x02\x00\x02\x01" + five + seven, "5 null 7"},
		{"level too high", pageHeader{kind: dataPageV2, values: 3, encoding: plain, definition: 2}, "\x06\x02" + five + seven, "level 2 of 1"},
		{"too few levels", pageHeader{kind: dataPageV2, values: 3, encoding: plain, definition: 2}, "\x02\x01" + five + seven, "5 a page ends early"},
		{"too few values", pageHeader{kind: dataPageV2, values: 3, encoding: plain, definition: 2}, levels + five, "5 null a page ends early"},
		{"more levels than bytes", pageHeader{kind: dataPageV2, values: 3, encoding: plain, definition: 20}, levels + five, "no valid header"},
		{"more levels than bytes, version 1", pageHeader{kind: dataPage, values: 3, encoding: plain, levelEncoding: rle}, "\x09\x00\x00\x00" + levels, "a page ends early"},
		{"old levels", pageHeader{kind: dataPage, values: 3, encoding: plain, levelEncoding: 4}, levels + five, "only RLE can be read"},
		{"more values than rows", pageHeader{kind: dataPageV2, values: 4, encoding: plain, definition: 2}, levels + five + seven, "more values than rows"},
		{"no dictionary", pageHeader{kind: dataPageV2, values: 3, encoding: dictionary, definition: 2}, levels + "\x01\x03\x02", "dictionary is missing"},
		{"another encoding", pageHeader{kind: dataPageV2, values: 3, encoding: 9, definition: 2}, levels + five + seven, "BYTE_STREAM_SPLIT cannot be read"},
	} {
		c.h.uncompressed, c.h.compressed = int64(len(c.page)), int64(len(c.page))
		r := &columnReader{leaf: schema.NewColumn(schema.NewInt32Node("x", parquet.Repetitions.Optional, -1), 1, 0), rows: 3, packed: []byte(c.page)}
		var got []string
		err := r.readData(c.h)
		for range 3 {
			var v Value
			if err == nil {
				err = r.next(&v)
			}
			switch {
			case err != nil:
			case v.Null:
				got = append(got, "null")
			default:
				got = append(got, fmt.Sprint(v.Int))
			}
		}
		if err != nil {
			got = append(got, err.Error())
		}
		if text := strings.Join(got, " "); !strings.Contains(text, c.want) || err == nil && text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
	}
}

// TestDictionary reads places in a dictionary that are there and that are not.
func TestDictionary(t *testing.T) {
	three := []Value{{Int: 1}, {Int: 2}, {Int: 3}}
	d, err := newDictionaryDecoder([]byte{2, 3, 0b11_10_01_00, 0}, three)
	if err != nil {
		t.Fatal(err)
	}
	var v Value
	for i := range 3 {
		if err := d.next(&v); err != nil || v.Int != int64(i+1) {
			t.Errorf("place %d: %d, %v", i, v.Int, err)
		}
	}
	if err := d.next(&v); err == nil || !strings.Contains(err.Error(), "value 3 of a dictionary of 3") {
		t.Errorf("error %v", err)
	}
	if _, err := newDictionaryDecoder([]byte{33}, three); err == nil {
		t.Error("places of 33 bits")
	}
}

// TestUnpack has a page that unpacks to more or fewer bytes than its header tells be an error.
func TestUnpack(t *testing.T) {
	content := []byte(strings.Repeat("goclr", 100))
	for _, codec := range []compress.Compression{compress.Codecs.Uncompressed, compress.Codecs.Snappy, compress.Codecs.Gzip, compress.Codecs.Zstd, compress.Codecs.Brotli} {
		packed := content
		if z, err := compress.GetCodec(codec); err != nil {
			t.Fatal(err)
		} else if codec != compress.Codecs.Uncompressed {
			packed = z.Encode(nil, content)
		}
		for _, n := range []int{len(content) - 1, len(content), len(content) + 1} {
			page := make([]byte, n)
			err := unpack(page, packed, codec)
			if n == len(content) && (err != nil || string(page) != string(content)) {
				t.Errorf("%v: %v, or other bytes", codec, err)
			}
			// Streams of gzip and brotli are read as far as the page goes.
			stream := codec == compress.Codecs.Gzip || codec == compress.Codecs.Brotli
			if err == nil && n != len(content) && !(stream && n < len(content)) {
				t.Errorf("%v: no error for a page of %d bytes", codec, n)
			}
		}
		if err := unpack(make([]byte, len(content)), packed[:len(packed)/2], codec); err == nil {
			t.Errorf("%v: half a page is no error", codec)
		}
	}
	if err := unpack(make([]byte, 10), content, 99); err == nil || !strings.Contains(err.Error(), "unpack a page") {
		t.Errorf("unknown codec: %v", err)
	}
}

// TestRowsOfFooter has row groups with fewer rows than the footer tells be an error.
func TestRowsOfFooter(t *testing.T) {
	b := small(t, parquettest.File{GroupRows: 7})
	f, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	f.Rows++
	var last error
	for _, err := range f.Read([]int{0}) {
		last = err
	}
	if last == nil || !strings.Contains(last.Error(), "12 rows, not the 13") {
		t.Errorf("error %v", last)
	}
}

// TestDelta has differences of numbers of 32 bits go round, as some writers store them.
func TestDelta(t *testing.T) {
	b := []byte{128, 1, 4, 2} // blocks of 128, four miniblocks, two numbers
	b = binary.AppendVarint(b, math.MaxInt32)
	b = append(b, 2, 0, 0, 0, 0) // each one more than the one before, in no bits
	for kind, want := range map[parquet.Type]int64{parquet.Types.Int32: math.MinInt32, parquet.Types.Int64: math.MaxInt32 + 1} {
		numbers, err := newDelta(b, 2)
		if err != nil {
			t.Fatal(err)
		}
		d := &deltaDecoder{numbers, kind}
		var v Value
		for range 2 {
			if err := d.next(&v); err != nil {
				t.Fatal(err)
			}
		}
		if v.Int != want {
			t.Errorf("%v: %d, want %d", kind, v.Int, want)
		}
		if err := d.next(&v); err == nil {
			t.Errorf("%v: a third number", kind)
		}
	}
	if _, err := newDelta(b, 1); err == nil {
		t.Error("more numbers than values")
	}
}
