package cuda

import (
	"runtime"

	"github.com/ebitengine/purego"
)

// openLibrary loads a shared library. Libraries that are loaded later find it by its name, but do not mistake its functions for theirs.
func openLibrary(path string) (uintptr, error) {
	runtime.LockOSThread() // its error is kept for the thread that asked
	defer runtime.UnlockOSThread()
	return purego.Dlopen(path, purego.RTLD_LAZY|purego.RTLD_LOCAL)
}

// closeLibrary undoes openLibrary.
func closeLibrary(library uintptr) { _ = purego.Dlclose(library) }

// findSymbol is the address of a function.
func findSymbol(library uintptr, name string) (uintptr, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return purego.Dlsym(library, name)
}

// call passes arguments in registers and on the stack as C wants integers and pointers; what converted pointers point at stays in
// place until the call returns.
//
//go:uintptrescapes
func (f function) call(arguments ...uintptr) uintptr {
	result, _, _ := purego.SyscallN(uintptr(f), arguments...)
	return result
}
