package pipeline_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/goclr/goclr/pipeline"
)

// firstRecord calls use with the first record of images 0 to 4, two views of 2x3 each: view 1 as decoded, view 2 reversed.
func firstRecord(t testing.TB, use func(rec arrow.Record)) {
	t.Helper()
	p := mustNew(t, counting{20}, pipeline.Options{Batch: 5, Ordered: true}, wide{},
		pipeline.PairOf(nil, []pipeline.Stage{mirror{}}))
	for rec, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		use(rec)
		return
	}
}

// wide decodes image i to two rows of three pixels with bytes 20i, 20i+1, ... 20i+17.
type wide struct{}

func (wide) Shape(pipeline.Shape) (pipeline.Shape, error) {
	return pipeline.Shape{H: 2, W: 3, C: 3}, nil
}

func (wide) Apply(s *pipeline.Sample) error {
	m := s.Next(3, 2)
	for i := range m.Pix {
		m.Pix[i] = byte(20*int(s.ID) + i)
	}
	s.Swap()
	return nil
}

// checkRows checks that rec holds the rows of firstRecord from image first on.
func checkRows(t testing.TB, rec arrow.Record, first, n int) {
	t.Helper()
	_, shape, err := pipeline.Views(rec)
	if err != nil || shape != [4]int{2, 2, 3, 3} {
		t.Fatalf("shape is %v, error %v", shape, err)
	}
	list := rows(t, rec)
	if len(list) != n {
		t.Fatalf("%d rows, want %d", len(list), n)
	}
	for i, r := range list {
		id := first + i
		if r.id != uint64(id) || r.label != int32(id%10) {
			t.Errorf("row %d has id %d, label %d", i, r.id, r.label)
		}
		for k := range 18 {
			if r.pix[k] != byte(20*id+k) || r.pix[35-k] != byte(20*id+k) {
				t.Fatalf("row %d has pixels %v", i, r.pix)
			}
		}
	}
}

func TestRecordLayout(t *testing.T) {
	firstRecord(t, func(rec arrow.Record) {
		checkRows(t, rec, 0, 5)
		for _, field := range []string{"id: type=uint64", "label: type=int32"} {
			if got := rec.Schema().String(); !strings.Contains(got, field) {
				t.Errorf("schema is %s, want %s in it", got, field)
			}
		}
		ids, _ := pipeline.IDs(rec)
		labels, _ := pipeline.Labels(rec)
		pix, _, _ := pipeline.Views(rec)
		for name, p := range map[string]unsafe.Pointer{
			"id": unsafe.Pointer(&ids[0]), "label": unsafe.Pointer(&labels[0]), "views": unsafe.Pointer(&pix[0]),
		} {
			if uintptr(p)%64 != 0 {
				t.Errorf("column %s is not aligned to 64 bytes", name)
			}
		}
		if gap := uintptr(unsafe.Pointer(&pix[0])) - uintptr(unsafe.Pointer(&ids[0])); gap != 128 {
			t.Errorf("views begin %d bytes behind the ids; want one block", gap)
		}
	})
}

// A slice of a record is a smaller batch, without a copy.
func TestSlices(t *testing.T) {
	firstRecord(t, func(rec arrow.Record) {
		all, _, _ := pipeline.Views(rec)
		for from := range 6 {
			for to := from; to <= 5; to++ {
				part := rec.NewSlice(int64(from), int64(to))
				checkRows(t, part, from, to-from)
				if pix, _, _ := pipeline.Views(part); to > from && &pix[0] != &all[36*from] {
					t.Error("the pixels were copied")
				}
				part.Release()
			}
		}
		outer := rec.NewSlice(1, 5)
		inner := outer.NewSlice(2, 3)
		checkRows(t, inner, 3, 1)
		inner.Release()
		outer.Release()
	})
}

// stream writes records as an Arrow IPC stream.
func stream(t testing.TB, recs ...arrow.Record) []byte {
	t.Helper()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(recs[0].Schema()))
	for _, rec := range recs {
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A record that travelled, whole or as a slice, is the record that was sent.
func TestIPCRoundTrip(t *testing.T) {
	firstRecord(t, func(rec arrow.Record) {
		part := rec.NewSlice(2, 4)
		defer part.Release()
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		defer mem.AssertSize(t, 0)
		r, err := ipc.NewReader(bytes.NewReader(stream(t, rec, part)), ipc.WithAllocator(mem))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Release()
		if !r.Schema().Equal(rec.Schema()) {
			t.Errorf("schema is %v, want %v", r.Schema(), rec.Schema())
		}
		typ, ok := r.Schema().Field(2).Type.(*pipeline.TensorType)
		if !ok || !slices.Equal(typ.Shape(), []int{2, 2, 3, 3}) || !slices.Equal(typ.DimNames(), []string{"V", "H", "W", "C"}) {
			t.Errorf("type of the views is %v", typ)
		}
		for _, want := range []struct{ first, n int }{{0, 5}, {2, 2}} {
			if !r.Next() {
				t.Fatal(r.Err())
			}
			checkRows(t, r.Record(), want.first, want.n)
		}
		if r.Next() {
			t.Error("a third record")
		}
	})
}

// The words of the Arrow specification, which other readers go by.
func TestTensorMetadata(t *testing.T) {
	typ, err := pipeline.NewTensorType(arrow.PrimitiveTypes.Uint8, []int{2, 224, 224, 3}, []string{"V", "H", "W", "C"})
	if err != nil {
		t.Fatal(err)
	}
	if got := typ.ExtensionName(); got != "arrow.fixed_shape_tensor" {
		t.Errorf("name is %s", got)
	}
	const want = `{"shape":[2,224,224,3],"dim_names":["V","H","W","C"]}`
	if got := typ.Serialize(); got != want {
		t.Errorf("metadata is %s, want %s", got, want)
	}
	if got := typ.StorageType(); !arrow.TypeEqual(got, arrow.FixedSizeListOf(2*224*224*3, arrow.PrimitiveTypes.Uint8)) {
		t.Errorf("storage is %v", got)
	}
	firstRecord(t, func(rec arrow.Record) {
		written := string(stream(t, rec))
		for _, s := range []string{
			"ARROW:extension:name", "arrow.fixed_shape_tensor",
			"ARROW:extension:metadata", `{"shape":[2,2,3,3],"dim_names":["V","H","W","C"]}`,
		} {
			if !strings.Contains(written, s) {
				t.Errorf("%s is not in the stream", s)
			}
		}
	})
}

func TestTensorTypeRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		shape []int
		dims  []string
		text  string
	}{
		{"empty dimension", []int{2, 0}, nil, "no element"},
		{"negative dimension", []int{2, -1}, nil, "no element"},
		{"too many elements", []int{1 << 16, 1 << 15}, nil, "more than 2^31"},
		{"names missing", []int{2, 2}, []string{"H"}, "1 dimension names"},
	} {
		_, err := pipeline.NewTensorType(arrow.PrimitiveTypes.Uint8, c.shape, c.dims)
		if err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: error is %v", c.name, err)
		}
	}
	list := arrow.FixedSizeListOf(6, arrow.PrimitiveTypes.Uint8)
	for _, c := range []struct {
		name    string
		storage arrow.DataType
		data    string
		text    string
	}{
		{"no list", arrow.PrimitiveTypes.Uint8, `{"shape":[6]}`, "want a fixed-size list"},
		{"no JSON", list, `shape=6`, "metadata"},
		{"no shape", list, `{}`, "lists of 6"},
		{"wrong shape", list, `{"shape":[2,2]}`, "shape [2 2] is stored in lists of 6"},
		{"overflow", list, `{"shape":[4294967296,4294967296,6]}`, "more than 2^31"},
		{"negative", list, `{"shape":[-2,-3]}`, "no element"},
	} {
		_, err := new(pipeline.TensorType).Deserialize(c.storage, c.data)
		if err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: error is %v, want %q in it", c.name, err, c.text)
		}
	}
}

// Tensors written elsewhere are read as what they are.
func TestForeignTensors(t *testing.T) {
	read := func(storage arrow.DataType, data string) arrow.ExtensionType {
		typ, err := new(pipeline.TensorType).Deserialize(storage, data)
		if err != nil {
			t.Fatal(err)
		}
		return typ
	}
	floats := arrow.FixedSizeListOf(6, arrow.PrimitiveTypes.Float32)
	plain, named := read(floats, `{"shape":[2,3]}`), read(floats, `{"shape":[2,3],"dim_names":["a","b"]}`)
	turned := read(floats, `{"shape":[2,3],"permutation":[1,0]}`)
	if plain.ExtensionEquals(named) || plain.ExtensionEquals(turned) {
		t.Error("types of other names or order are equal")
	}
	if !plain.ExtensionEquals(read(floats, `{"shape":[2,3]}`)) {
		t.Error("the same types are not equal")
	}
	if plain.ExtensionEquals(read(arrow.FixedSizeListOf(6, arrow.PrimitiveTypes.Uint8), `{"shape":[2,3]}`)) {
		t.Error("types of other elements are equal")
	}
	if got := turned.Serialize(); got != `{"shape":[2,3],"permutation":[1,0]}` {
		t.Errorf("metadata is %s", got)
	}
}

// Records from elsewhere that are no batch get an error, not a panic.
func TestAccessorsRefuse(t *testing.T) {
	ints := array.NewInt64Builder(memory.DefaultAllocator)
	ints.Append(1)
	numbers := ints.NewArray()
	nulls := array.NewUint64Builder(memory.DefaultAllocator)
	nulls.AppendNull()
	holes := nulls.NewArray()
	record := func(name string, cols ...arrow.Array) arrow.Record {
		var fields []arrow.Field
		for _, c := range cols {
			fields = append(fields, arrow.Field{Name: name, Type: c.DataType(), Nullable: true})
		}
		return array.NewRecord(arrow.NewSchema(fields, nil), cols, 1)
	}
	floatTensor, err := pipeline.NewTensorType(arrow.PrimitiveTypes.Int64, []int{1, 1, 1, 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	flat, err := pipeline.NewTensorType(arrow.PrimitiveTypes.Int64, []int{1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	lists := array.NewFixedSizeListBuilder(memory.DefaultAllocator, 1, arrow.PrimitiveTypes.Int64)
	lists.Append(true)
	lists.ValueBuilder().(*array.Int64Builder).Append(1)
	list := lists.NewArray()

	ids := func(r arrow.Record) error { _, err := pipeline.IDs(r); return err }
	labels := func(r arrow.Record) error { _, err := pipeline.Labels(r); return err }
	views := func(r arrow.Record) error { _, _, err := pipeline.Views(r); return err }
	for _, c := range []struct {
		name string
		call func(arrow.Record) error
		rec  arrow.Record
		text string
	}{
		{"no column", ids, record("x", numbers), `0 columns named "id"`},
		{"two columns", ids, record("id", numbers, numbers), `2 columns named "id"`},
		{"type of ids", ids, record("id", numbers), `column "id" is int64`},
		{"null ids", ids, record("id", holes), `1 nulls`},
		{"type of labels", labels, record("label", numbers), `column "label" is int64`},
		{"type of views", views, record("views", numbers), `column "views" is int64`},
		{"plain list", views, record("views", list), `column "views" is fixed_size_list`},
		{"not four dimensions", views, record("views", array.NewExtensionArrayWithStorage(flat, list)), "want a tensor [V,H,W,C]"},
		{"not bytes", views, record("views", array.NewExtensionArrayWithStorage(floatTensor, list)), "want uint8"},
	} {
		if err := c.call(c.rec); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: error is %v, want %q in it", c.name, err, c.text)
		}
	}
}
