package onnx

// #cgo LDFLAGS: -ldl
// #include <stdlib.h>
// #include "operators.h"
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/goclr/goclr/backends/internal/kernel"
)

// domain is the name of the domain of goclr's own operators.
const domain = "goclr"

// A registration makes goclr's operators known to one session, which it must outlive.
type registration struct {
	library   string
	operators unsafe.Pointer // a struct registration of operators.c
}

// register adds goclr's operators, computed at the given level, to a session about to be created.
func register(options *ort.SessionOptions, library string, level kernel.Level) (*registration, error) {
	// The package that runs models has no function for this, but what it wraps has.
	pointer := reflect.ValueOf(options).Elem().FieldByName("o")
	if pointer.Kind() != reflect.Pointer {
		return nil, errors.New("github.com/yalue/onnxruntime_go keeps its session options elsewhere than in version 1.27.0")
	}
	path := C.CString(library)
	defer C.free(unsafe.Pointer(path))
	operators := new(unsafe.Pointer)
	failed := C.goclr_add_operators(path, pointer.UnsafePointer(), level.Table(), operators)
	if failed != nil {
		return nil, fmt.Errorf("%s: %s", library, C.GoString(failed))
	}
	return &registration{library, *operators}, nil
}

func (r *registration) release() {
	if r == nil {
		return
	}
	path := C.CString(r.library)
	defer C.free(unsafe.Pointer(path))
	C.goclr_release_operators(path, r.operators)
}
