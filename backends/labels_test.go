package backends_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/backends/graph"
)

func TestLabels(t *testing.T) {
	for _, c := range []struct {
		name   string
		rows   int
		labels []int32
		want   []int64
		says   string
	}{
		{"one view", 3, []int32{2, 0, 1}, []int64{2, 0, 1}, ""},
		{"two views", 4, []int32{2, 0}, []int64{2, 2, 0, 0}, ""},
		{"none", 3, []int32{2, -1, 1}, nil, "image 101, row 1 of the batch, has label -1, of classes 0 to 2"},
		{"too large", 3, []int32{2, 0, 3}, nil, "image 102, row 2 of the batch, has label 3"},
		{"another number of rows", 4, []int32{2, 0, 1}, nil, "3 rows, the model takes 4 views"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := backends.Labels((&graph.Graph{}).Labels(c.rows, 3), labelledRecord(t, c.labels))
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("error %v, want %q", err, c.says)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("labels %v, want %v", got, c.want)
			}
		})
	}
}

// labelledRecord makes a record of the given labels and of ids from 100 on.
func labelledRecord(t *testing.T, labels []int32) arrow.Record {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Uint64}, {Name: "label", Type: arrow.PrimitiveTypes.Int32},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i, label := range labels {
		b.Field(0).(*array.Uint64Builder).Append(uint64(100 + i))
		b.Field(1).(*array.Int32Builder).Append(label)
	}
	rec := b.NewRecord()
	t.Cleanup(rec.Release)
	return rec
}
