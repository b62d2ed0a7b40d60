package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
)

// parameters returns the exported fields of a stage in JSON, without those that have no value there, such as functions.
func parameters(s Stage) (map[string]json.RawMessage, error) {
	value, ok, err := describe(reflect.ValueOf(s), 0)
	fields, isStruct := value.(map[string]any)
	if err != nil || !ok {
		return nil, err
	}
	if !isStruct {
		fields = map[string]any{"value": value}
	}
	if len(fields) == 0 {
		return nil, nil
	}
	params := make(map[string]json.RawMessage, len(fields))
	for name, v := range fields {
		if params[name], err = json.Marshal(v); err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
	}
	return params, nil
}

// maxDepth is where describe takes a value for a cycle of pointers.
const maxDepth = 32

// describe turns a value into what json.Marshal writes the same way each time. It reports false for values with no meaning
// outside the program: functions, channels, unsafe pointers.
func describe(v reflect.Value, depth int) (any, bool, error) {
	if depth > maxDepth {
		return nil, false, errors.New("its exported fields lead back to themselves; a plan needs plain values")
	}
	switch v.Kind() {
	case reflect.Bool, reflect.String,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return v.Interface(), true, nil
	case reflect.Float32, reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) { // JSON has no such number
			return fmt.Sprint(f), true, nil
		}
		return v.Interface(), true, nil
	case reflect.Complex64, reflect.Complex128:
		return fmt.Sprint(v.Complex()), true, nil
	case reflect.Pointer:
		if v.IsNil() {
			return nil, true, nil
		}
		return describe(v.Elem(), depth+1)
	case reflect.Interface:
		return describeInterface(v, depth)
	case reflect.Struct:
		return describeStruct(v, depth)
	case reflect.Slice, reflect.Array:
		list := make([]any, 0, v.Len())
		for i := range v.Len() {
			e, ok, err := describe(v.Index(i), depth+1)
			if err != nil {
				return nil, false, err
			}
			if ok {
				list = append(list, e)
			}
		}
		return list, true, nil
	case reflect.Map:
		entries := map[string]any{}
		for it := v.MapRange(); it.Next(); {
			e, ok, err := describe(it.Value(), depth+1)
			if err != nil {
				return nil, false, err
			}
			if ok {
				entries[fmt.Sprint(it.Key())] = e
			}
		}
		return entries, true, nil
	default:
		return nil, false, nil
	}
}

// describeInterface names the type, as of a stage that is the field of another.
func describeInterface(v reflect.Value, depth int) (any, bool, error) {
	if v.IsNil() {
		return nil, true, nil
	}
	e, ok, err := describe(v.Elem(), depth+1)
	if err != nil || !ok {
		return nil, false, err
	}
	return map[string]any{"type": typeName(v.Elem().Type()), "value": e}, true, nil
}

func describeStruct(v reflect.Value, depth int) (any, bool, error) {
	fields := map[string]any{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		e, ok, err := describe(v.Field(i), depth+1)
		if err != nil {
			return nil, false, fmt.Errorf("field %s: %w", f.Name, err)
		}
		if ok {
			fields[f.Name] = e
		}
	}
	return fields, true, nil
}

// describeSource names a source by its content where it can, and else by its type.
func describeSource(src Source) string {
	if f, ok := src.(Fingerprinter); ok {
		return f.Fingerprint()
	}
	return typeName(reflect.TypeOf(src))
}
