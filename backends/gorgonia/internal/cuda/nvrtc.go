package cuda

import (
	"fmt"
	"runtime"
	"strings"
	"unsafe"
)

// An nvrtc is the library that compiles CUDA C at run time.
type nvrtc struct {
	nvrtcVersion              function
	nvrtcGetErrorString       function
	nvrtcGetNumSupportedArchs function
	nvrtcGetSupportedArchs    function
	nvrtcCreateProgram        function
	nvrtcDestroyProgram       function
	nvrtcCompileProgram       function
	nvrtcGetProgramLogSize    function
	nvrtcGetProgramLog        function
	nvrtcGetCUBINSize         function
	nvrtcGetCUBIN             function
	nvrtcGetPTXSize           function
	nvrtcGetPTX               function

	major, minor int // its version, that of CUDA
}

// newNVRTC takes the compiler in an open library.
func newNVRTC(library uintptr) (*nvrtc, error) {
	n := &nvrtc{}
	if err := bind(library, n); err != nil {
		return nil, err
	}
	var major, minor int32
	err := n.check("nvrtcVersion", n.nvrtcVersion.call(uintptr(unsafe.Pointer(&major)), uintptr(unsafe.Pointer(&minor))))
	n.major, n.minor = int(major), int(minor)
	return n, err
}

// check makes an error of the result of a function, unless that is NVRTC_SUCCESS.
func (n *nvrtc) check(function string, result uintptr) error {
	code := int32(result)
	if code == 0 {
		return nil
	}
	return fmt.Errorf("%s: %s", function, text(n.nvrtcGetErrorString.call(uintptr(code))))
}

// compile returns the machine code of a program or, for a virtual target, its PTX, which ends with a NUL as the driver wants it.
func (n *nvrtc) compile(program source, headers []source, to target, options []string) ([]byte, error) {
	options = append([]string{"--gpu-architecture=" + to.String()}, options...)
	var handle uintptr
	name, source := cString(program.name), cString(program.text)
	names, texts := make([]*byte, len(headers)), make([]*byte, len(headers))
	for i, h := range headers {
		names[i], texts[i] = &cString(h.name)[0], &cString(h.text)[0]
	}
	if err := n.check("nvrtcCreateProgram", n.nvrtcCreateProgram.call(
		uintptr(unsafe.Pointer(&handle)), uintptr(unsafe.Pointer(&source[0])), uintptr(unsafe.Pointer(&name[0])),
		uintptr(len(headers)), uintptr(unsafe.Pointer(unsafe.SliceData(texts))), uintptr(unsafe.Pointer(unsafe.SliceData(names))),
	)); err != nil {
		return nil, fmt.Errorf("%s: %w", program.name, err)
	}
	defer n.nvrtcDestroyProgram.call(uintptr(unsafe.Pointer(&handle)))

	list := make([]*byte, len(options))
	for i, o := range options {
		list[i] = &cString(o)[0]
	}
	err := n.check("nvrtcCompileProgram", n.nvrtcCompileProgram.call(
		handle, uintptr(len(list)), uintptr(unsafe.Pointer(unsafe.SliceData(list)))))
	runtime.KeepAlive([]any{list, texts, names, source, name})
	if err != nil {
		return nil, fmt.Errorf("NVRTC %d.%d does not compile %s with %s: %w\n%s",
			n.major, n.minor, program.name, strings.Join(options, " "), err, n.log(handle))
	}
	code, err := n.code(handle, to)
	if err != nil {
		return nil, fmt.Errorf("%s for %v: %w", program.name, to, err)
	}
	return code, nil
}

// code is what a compiled program has become.
func (n *nvrtc) code(program uintptr, to target) ([]byte, error) {
	name, codeSize, code := "CUBIN", n.nvrtcGetCUBINSize, n.nvrtcGetCUBIN
	if to.virtual {
		name, codeSize, code = "PTX", n.nvrtcGetPTXSize, n.nvrtcGetPTX
	}
	var size uint
	if err := n.check("nvrtcGet"+name+"Size", codeSize.call(program, uintptr(unsafe.Pointer(&size)))); err != nil {
		return nil, err
	}
	if size == 0 {
		return nil, fmt.Errorf("NVRTC %d.%d makes none", n.major, n.minor)
	}
	b := make([]byte, size)
	return b, n.check("nvrtcGet"+name, code.call(program, uintptr(unsafe.Pointer(&b[0]))))
}

// log is what the compiler has to say of a program.
func (n *nvrtc) log(program uintptr) string {
	var size uint
	if err := n.check("nvrtcGetProgramLogSize", n.nvrtcGetProgramLogSize.call(program, uintptr(unsafe.Pointer(&size)))); err != nil || size == 0 {
		return "(it left no log)"
	}
	log := make([]byte, size+1)
	if err := n.check("nvrtcGetProgramLog", n.nvrtcGetProgramLog.call(program, uintptr(unsafe.Pointer(&log[0])))); err != nil {
		return "(it left no log)"
	}
	return untilNUL(log)
}
