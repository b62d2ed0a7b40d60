package parquet

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"go.uber.org/goleak"

	"github.com/goclr/goclr/datasets/internal/parquet/parquettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testRows = 600

// table returns columns of every type that can be read; every seventh value is null where nulls may be.
func table(nulls bool) []parquettest.Column {
	columns := []parquettest.Column{
		{Path: []string{"image", "bytes"}}, {Path: []string{"image", "path"}}, {Path: []string{"label"}}, {Path: []string{"small"}}, {Path: []string{"name"}},
	}
	for i := range testRows {
		row := []any{
			bytes.Repeat([]byte{byte(i), byte(i >> 8)}, i%90), fmt.Sprintf("folder/%05d.jpg", i),
			int64(i*i*7919) << 20 * int64(1-i%2*2), int32(i * -77777), fmt.Sprint("class ", i%5),
		}
		for c := range columns {
			if nulls && (i+c)%7 == 0 {
				row[c] = nil
			}
			columns[c].Values = append(columns[c].Values, row[c])
		}
	}
	return columns
}

// readAll returns the rows of a file as text.
func readAll(b []byte, columns ...int) (rows []string, err error) {
	f, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	if columns == nil {
		for i := range f.Columns {
			columns = append(columns, i)
		}
	}
	for row, err := range f.Read(columns) {
		if err != nil {
			return rows, err
		}
		var b strings.Builder
		for i, v := range row {
			switch {
			case v.Null:
				b.WriteString("null;")
			case f.Columns[columns[i]].Type == Int:
				fmt.Fprintf(&b, "%d;", v.Int)
			default:
				fmt.Fprintf(&b, "%q;", v.Bytes)
			}
		}
		rows = append(rows, b.String())
	}
	return rows, nil
}

// wanted is what readAll returns of columns.
func wanted(columns []parquettest.Column) (rows []string) {
	for i := range columns[0].Values {
		var b strings.Builder
		for _, c := range columns {
			switch v := c.Values[i].(type) {
			case nil:
				b.WriteString("null;")
			case []byte:
				fmt.Fprintf(&b, "%q;", v)
			case string:
				fmt.Fprintf(&b, "%q;", v)
			default:
				fmt.Fprintf(&b, "%d;", v)
			}
		}
		rows = append(rows, b.String())
	}
	return rows
}

func compare(t *testing.T, name string, got, want []string, err error) {
	t.Helper()
	if err != nil || len(got) != len(want) {
		t.Errorf("%s: %d rows, %v; want %d", name, len(got), err, len(want))
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s, row %d: %.200s, want %.200s", name, i, got[i], want[i])
			return
		}
	}
}

// encodings are ways to write the table.
func encodings() map[string][]parquet.WriterProperty {
	all := map[string][]parquet.WriterProperty{}
	for _, version := range []parquet.DataPageVersion{parquet.DataPageV1, parquet.DataPageV2} {
		for _, codec := range []compress.Compression{compress.Codecs.Uncompressed, compress.Codecs.Snappy, compress.Codecs.Gzip, compress.Codecs.Zstd, compress.Codecs.Brotli} {
			for name, p := range map[string][]parquet.WriterProperty{
				"dictionary": {},
				"plain":      {parquet.WithDictionaryDefault(false)},
				"delta": {
					parquet.WithDictionaryDefault(false),
					parquet.WithEncodingFor("image.bytes", parquet.Encodings.DeltaLengthByteArray), parquet.WithEncodingFor("image.path", parquet.Encodings.DeltaByteArray),
					parquet.WithEncodingFor("name", parquet.Encodings.DeltaByteArray),
					parquet.WithEncodingFor("label", parquet.Encodings.DeltaBinaryPacked), parquet.WithEncodingFor("small", parquet.Encodings.DeltaBinaryPacked),
				},
			} {
				all[fmt.Sprint(name, " ", codec, " ", version)] = append(p, parquet.WithDataPageVersion(version), parquet.WithCompression(codec), parquet.WithDataPageSize(4<<10), parquet.WithBatchSize(50))
			}
		}
	}
	return all
}

func TestEncodings(t *testing.T) {
	for name, properties := range encodings() {
		for _, nulls := range []bool{true, false} {
			columns := table(nulls)
			b := parquettest.Write(t, parquettest.File{GroupRows: 250, Required: !nulls, Properties: properties}, columns...)
			got, err := readAll(b)
			compare(t, fmt.Sprint(name, ", nulls ", nulls), got, wanted(columns), err)
		}
	}
}
