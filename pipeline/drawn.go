package pipeline

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Drawn is what one stage drew for one view of a sample.
type Drawn struct {
	View   int    // 0 before Pair, or without it; 1 and 2 inside
	Stage  string // its name, such as "ColorJitter" or "ColorJitter#2"
	Names  []string
	Values []float64 // one for each of Names
}

// Params returns what the stages drew for a row of a record that a pipeline with Options.Params made, in the order in which
// they run.
func Params(rec arrow.Record, row int) ([]Drawn, error) {
	col, err := column[*array.Struct](rec, columnParams)
	if err != nil {
		return nil, fmt.Errorf("%w (set Options.Params)", err)
	}
	if row < 0 || row >= col.Len() {
		return nil, fmt.Errorf("pipeline: row %d of a record of %d rows", row, col.Len())
	}
	var list []Drawn
	for i, view := range col.DataType().(*arrow.StructType).Fields() {
		stages, ok := col.Field(i).(*array.Struct)
		number, known := viewNumber(view.Name)
		if !ok || !known {
			return nil, fmt.Errorf("pipeline: column %q is %v; want a struct for each view", columnParams, col.DataType())
		}
		for k, stage := range stages.DataType().(*arrow.StructType).Fields() {
			d, err := drawnBy(stages.Field(k), row)
			if err != nil {
				return nil, err
			}
			d.View, d.Stage = number, stage.Name
			list = append(list, d)
		}
	}
	return list, nil
}

// drawnBy reads the parameters of one stage.
func drawnBy(stage arrow.Array, row int) (d Drawn, err error) {
	params, ok := stage.(*array.Struct)
	if !ok {
		return d, fmt.Errorf("pipeline: a stage in column %q is %v; want a struct", columnParams, stage.DataType())
	}
	for j, p := range params.DataType().(*arrow.StructType).Fields() {
		values, ok := params.Field(j).(*array.Float64)
		if !ok {
			return d, fmt.Errorf("pipeline: parameter %q in column %q is %v; want float64", p.Name, columnParams, p.Type)
		}
		d.Names = append(d.Names, p.Name)
		d.Values = append(d.Values, values.Value(row))
	}
	return d, nil
}

// viewName is the name of a chain in the column of parameters: "base" for view 0, else "view1" or "view2".
func viewName(view int) string {
	if view == 0 {
		return "base"
	}
	return fmt.Sprintf("view%d", view)
}

func viewNumber(name string) (view int, ok bool) {
	for v := range 3 {
		if name == viewName(v) {
			return v, true
		}
	}
	return 0, false
}

// paramsType is the type of the column of parameters: a struct of chains, each a struct of Drawers, each a struct of float64. It
// is nil where nothing is drawn.
func paramsType(c *chains) arrow.DataType {
	var views []arrow.Field
	for view, chain := range c.all() {
		var stages []arrow.Field
		for _, s := range chain.steps {
			if s.at == s.to {
				continue
			}
			var params []arrow.Field
			for _, name := range s.drawer.Params() {
				params = append(params, arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Float64})
			}
			stages = append(stages, arrow.Field{Name: s.name, Type: arrow.StructOf(params...)})
		}
		if len(stages) > 0 {
			views = append(views, arrow.Field{Name: viewName(view), Type: arrow.StructOf(stages...)})
		}
	}
	if len(views) == 0 {
		return nil
	}
	return arrow.StructOf(views...)
}

// paramsData returns the column over its leaves, which are in the order of the fields.
func paramsData(t arrow.DataType, rows int, leaves []*memory.Buffer) arrow.ArrayData {
	var build func(t arrow.DataType) arrow.ArrayData
	build = func(t arrow.DataType) arrow.ArrayData {
		s, ok := t.(*arrow.StructType)
		if !ok {
			leaf := leaves[0]
			leaves = leaves[1:]
			return array.NewData(t, rows, []*memory.Buffer{nil, leaf}, nil, 0, 0)
		}
		var children []arrow.ArrayData
		for _, f := range s.Fields() {
			children = append(children, build(f.Type))
		}
		data := array.NewData(t, rows, []*memory.Buffer{nil}, children, 0, 0)
		for _, c := range children {
			c.Release()
		}
		return data
	}
	return build(t)
}
