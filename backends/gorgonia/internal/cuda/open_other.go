//go:build !linux

package cuda

import "errors"

var errNoCUDA = errors.New("CUDA is used on Linux only")

func openLibrary(string) (uintptr, error) { return 0, errNoCUDA }

func closeLibrary(uintptr) {}

func findSymbol(uintptr, string) (uintptr, error) { return 0, errNoCUDA }

func (f function) call(...uintptr) uintptr { panic(errNoCUDA) }
