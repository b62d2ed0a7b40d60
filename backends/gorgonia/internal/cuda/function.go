package cuda

import (
	"fmt"
	"reflect"
	"strings"
	"unsafe"
)

// A function is the address of one of a library, in C.
type function uintptr

// bind fills the fields of a struct that are functions with those of a library. The name of one is that of its field, or in a tag.
func bind(library uintptr, functions any) error {
	table := reflect.ValueOf(functions).Elem()
	for i, symbol := range symbols(functions) {
		if symbol == "" {
			continue
		}
		address, err := findSymbol(library, symbol)
		if err != nil {
			return fmt.Errorf("it has no function %s: %w", symbol, err)
		}
		*(*function)(table.Field(i).Addr().UnsafePointer()) = function(address)
	}
	return nil
}

// symbols are the names of the functions that a struct has, one for each field; of a field that is no function it is empty.
func symbols(functions any) []string {
	table := reflect.TypeOf(functions).Elem()
	names := make([]string, table.NumField())
	for i := range names {
		field := table.Field(i)
		if field.Type != reflect.TypeFor[function]() {
			continue
		}
		names[i] = field.Name
		if symbol, ok := field.Tag.Lookup("symbol"); ok {
			names[i] = symbol
		}
	}
	return names
}

// onDevice makes a pointer of an address in a device's memory, which lies outside Go's heap.
func onDevice(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }

// text copies a string of C's.
func text(p uintptr) string {
	if p == 0 {
		return ""
	}
	var b []byte
	for at := onDevice(p); ; at = unsafe.Add(at, 1) {
		c := *(*byte)(at)
		if c == 0 {
			return string(b)
		}
		b = append(b, c)
	}
}

// untilNUL is the string of C's that b begins with.
func untilNUL(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// cString is s as C has it.
func cString(s string) []byte { return append([]byte(s), 0) }
