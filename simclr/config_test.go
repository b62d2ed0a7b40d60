package simclr

import (
	"reflect"
	"testing"
)

// TestDiffNamesEveryField changes the fields one by one: a run that is refused for one of them must say which.
func TestDiffNamesEveryField(t *testing.T) {
	var was, is Config
	var change func(path string, field reflect.Value)
	change = func(path string, field reflect.Value) {
		before := reflect.ValueOf(field.Interface())
		switch field.Kind() {
		case reflect.Struct:
			for i := range field.NumField() {
				change(path+"."+field.Type().Field(i).Name, field.Field(i))
			}
			return
		case reflect.Array:
			field.Index(0).SetFloat(1)
		case reflect.String:
			field.SetString("other")
		case reflect.Bool:
			field.SetBool(true)
		case reflect.Int:
			field.SetInt(1)
		case reflect.Uint64:
			field.SetUint(1)
		case reflect.Float64:
			field.SetFloat(1)
		default:
			t.Fatalf("%s is a %v, which this test cannot change", path, field.Kind())
		}
		if was.diff(is) == "" {
			t.Errorf("diff does not name %s", path)
		}
		field.Set(before)
	}
	change("Config", reflect.ValueOf(&is).Elem())
}
