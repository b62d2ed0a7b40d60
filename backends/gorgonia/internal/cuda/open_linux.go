package cuda

import "github.com/ebitengine/purego"

// openLibrary loads a shared library; its functions can be found by libraries that are loaded later.
func openLibrary(path string) (uintptr, error) {
	return purego.Dlopen(path, purego.RTLD_LAZY|purego.RTLD_GLOBAL)
}

// closeLibrary undoes openLibrary.
func closeLibrary(library uintptr) { _ = purego.Dlclose(library) }

// findSymbol is the address of a function.
func findSymbol(library uintptr, name string) (uintptr, error) { return purego.Dlsym(library, name) }

// call passes arguments in registers and on the stack as C wants integers and pointers; what converted pointers point at stays in
// place until the call returns.
//
//go:uintptrescapes
func (f function) call(arguments ...uintptr) uintptr {
	result, _, _ := purego.SyscallN(uintptr(f), arguments...)
	return result
}
