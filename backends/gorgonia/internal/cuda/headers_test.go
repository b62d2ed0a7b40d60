package cuda

import (
	"debug/elf"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

// headersVariable names directories that have CUDA's headers, beside those of Python's packages.
const headersVariable = "GOCLR_CUDA_HEADERS"

// includes are the directories of headers, by what they are of: cuda.h of CUDA 12 and 13 lies in two.
func includes(t *testing.T) []string {
	t.Helper()
	found := filepath.SplitList(os.Getenv(headersVariable))
	for _, d := range sitePackages() {
		matches, _ := filepath.Glob(filepath.Join(d, "nvidia/*/include"))
		found = append(found, matches...)
	}
	return found
}

// headers are the texts, without comments, of all headers of one of some names.
func headers(t *testing.T, names ...string) map[string]string {
	t.Helper()
	comments := regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*`)
	texts := map[string]string{}
	for _, d := range includes(t) {
		for _, name := range names {
			if b, err := os.ReadFile(filepath.Join(d, name)); err == nil {
				texts[filepath.Join(d, name)] = comments.ReplaceAllString(string(b), "")
			}
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(sortedKeys(texts), func(path string) bool { return filepath.Base(path) == name }) {
			t.Skipf("no %s: install NVIDIA's packages of Python, or name a directory in %s", name, headersVariable)
		}
	}
	return texts
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// TestNumbersAreThoseOfTheHeaders compares each constant of enums.go with every header that defines it.
func TestNumbersAreThoseOfTheHeaders(t *testing.T) {
	texts := headers(t, "cuda.h", "cudnn_graph_v9.h", "cudnn_ops_v9.h", "cublasLt.h", "cublas_api.h", "library_types.h")
	file, err := parser.ParseFile(token.NewFileSet(), "enums.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		name := strings.TrimSpace(spec.Comment.Text())
		want, err := strconv.ParseInt(spec.Values[0].(*ast.BasicLit).Value, 0, 64)
		if err != nil {
			t.Fatal(err)
		}
		definition := regexp.MustCompile(`\b` + name + `\s*(?:CUDNN_DEPRECATED_ENUM)?\s*=\s*(0x[0-9a-fA-F]+|[0-9]+)`)
		found := 0
		for path, text := range texts {
			for _, m := range definition.FindAllStringSubmatch(text, -1) {
				found++
				if got, err := strconv.ParseInt(m[1], 0, 64); err != nil || got != want {
					t.Errorf("%s is %s in %s, but %d in enums.go", name, m[1], path, want)
				}
			}
		}
		if found == 0 {
			t.Errorf("no header has %q", name)
		}
		compared++
		return true
	})
	if compared < 25 {
		t.Errorf("compared %d constants: is this test still reading the right file?", compared)
	}
}

// functionHeaders are the headers that declare the functions of each library.
var functionHeaders = map[string]any{"cuda.h": &driver{}, "nvrtc.h": &nvrtc{}, "cudnn_v9.h": &cudnn{}, "cublasLt.h": &cublasLt{}}

// declared is how many parameters a function has in headers, which must agree, and in how many of them it is.
func declared(t *testing.T, texts map[string]string, name string) (parameters, found int) {
	t.Helper()
	declaration := regexp.MustCompile(`\b` + name + `\s*\(([^;{}()]*(?:\[\])?[^;{}()]*)\)\s*;`)
	for path, text := range texts {
		m := declaration.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		n := strings.Count(m[1], ",") + 1
		if list := strings.TrimSpace(m[1]); list == "void" || list == "" {
			n = 0
		}
		if found > 0 && n != parameters {
			t.Errorf("%s has %d parameters in %s, and %d elsewhere", name, n, path, parameters)
		}
		parameters = n
		found++
	}
	return parameters, found
}

// indirect are the functions that code calls by another name.
var indirect = map[string][]string{
	"algorithms": {"cudnnGetConvolutionForwardAlgorithm_v7", "cudnnGetConvolutionBackwardDataAlgorithm_v7", "cudnnGetConvolutionBackwardFilterAlgorithm_v7"},
	"workspace": {
		"cudnnGetConvolutionForwardWorkspaceSize", "cudnnGetConvolutionBackwardDataWorkspaceSize", "cudnnGetConvolutionBackwardFilterWorkspaceSize",
	},
	"codeSize": {"nvrtcGetCUBINSize", "nvrtcGetPTXSize"},
	"code":     {"nvrtcGetCUBIN", "nvrtcGetPTX"},
	"run":      {"cudnnConvolutionForward", "cudnnConvolutionBackwardData", "cudnnConvolutionBackwardFilter"},
	"create":   {"cudnnCreateTensorDescriptor", "cudnnCreateFilterDescriptor", "cudnnCreateConvolutionDescriptor"},
	"destroy":  {"cudnnDestroyTensorDescriptor", "cudnnDestroyFilterDescriptor", "cudnnDestroyConvolutionDescriptor"},
}

// TestCallsHaveAsManyArgumentsAsTheHeadersSay reads every call of a function in C from the source.
func TestCallsHaveAsManyArgumentsAsTheHeadersSay(t *testing.T) {
	texts := headers(t, "cuda.h", "nvrtc.h", "cudnn_graph_v9.h", "cudnn_ops_v9.h", "cudnn_cnn_v9.h", "cublasLt.h")
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	called := map[string]bool{}
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, source, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			c, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			call, ok := c.Fun.(*ast.SelectorExpr)
			if !ok || call.Sel.Name != "call" {
				return true
			}
			name := ""
			switch f := call.X.(type) {
			case *ast.SelectorExpr:
				name = f.Sel.Name
			case *ast.Ident:
				name = f.Name
			}
			functions, ok := indirect[name]
			if !ok {
				functions = []string{name}
			}
			for _, f := range functions {
				called[f] = true
				if want, found := declared(t, texts, f); found == 0 || want != len(c.Args) {
					t.Errorf("%v: %s is called with %d arguments, and has %d in %d headers", files.Position(c.Pos()), f, len(c.Args), want, found)
				}
			}
			return true
		})
	}
	for header, functions := range functionHeaders {
		for _, symbol := range symbols(functions) {
			if symbol != "" && !called[unversioned(texts, symbol)] {
				t.Errorf("%s of %s is looked up, but not called", symbol, header)
			}
		}
	}
}

// unversioned is the name of a function in source, of which a header makes that of a symbol.
func unversioned(texts map[string]string, symbol string) string {
	for _, text := range texts {
		if m := regexp.MustCompile(`#define\s+(\w+)\s+` + symbol + `\b`).FindStringSubmatch(text); m != nil {
			return m[1]
		}
	}
	return strings.TrimSuffix(symbol, "_v2")
}

// TestDriverFunctionsHaveTheirVersionedNames looks for them in cuda.h, where macros give them.
func TestDriverFunctionsHaveTheirVersionedNames(t *testing.T) {
	for path, text := range headers(t, "cuda.h") {
		for _, symbol := range symbols(&driver{}) {
			if !regexp.MustCompile(`\b` + symbol + `\b`).MatchString(text) {
				t.Errorf("%s has no %s", path, symbol)
			}
			if renamed := regexp.MustCompile(`#define\s+` + symbol + `\s+(?:__CUDA_API_PTSZ\()?(` + symbol + `_v\d+)`).FindStringSubmatch(text); renamed != nil {
				t.Errorf("%s makes %s of %s", path, renamed[1], symbol)
			}
		}
	}
}

// TestStructsAreThoseOfTheHeaders has a compiler compare sizes and offsets.
func TestStructsAreThoseOfTheHeaders(t *testing.T) {
	texts := headers(t, "cudnn_cnn_v9.h", "cublasLt.h")
	if _, err := exec.LookPath("g++"); err != nil {
		t.Skip("no g++ to read the headers")
	}
	var a cudnnAlgorithm
	var h productHeuristic
	algorithm := map[string]uintptr{
		"algo": unsafe.Offsetof(a.algorithm), "status": unsafe.Offsetof(a.status), "memory": unsafe.Offsetof(a.memory),
		"determinism": unsafe.Offsetof(a.determinism), "mathType": unsafe.Offsetof(a.math),
	}
	compared := 0
	for path, text := range texts {
		source := "#include <cstddef>\n#include <cstdint>\n#define CUDNN_DEPRECATED\n" +
			"typedef int cudnnStatus_t, cudnnDeterminism_t, cudnnMathType_t, cublasStatus_t;\n" +
			"typedef int cudnnConvolutionFwdAlgo_t, cudnnConvolutionBwdDataAlgo_t, cudnnConvolutionBwdFilterAlgo_t;\n"
		for _, s := range []struct {
			name    string
			size    uintptr
			offsets map[string]uintptr
		}{
			{"cudnnConvolutionFwdAlgoPerf_t", unsafe.Sizeof(a), algorithm},
			{"cudnnConvolutionBwdDataAlgoPerf_t", unsafe.Sizeof(a), algorithm},
			{"cudnnConvolutionBwdFilterAlgoPerf_t", unsafe.Sizeof(a), algorithm},
			{"cublasLtMatmulAlgo_t", unsafe.Sizeof(h.algorithm), nil},
			{"cublasLtMatmulHeuristicResult_t", unsafe.Sizeof(h), map[string]uintptr{"algo": 0, "workspaceSize": unsafe.Offsetof(h.workspace), "state": unsafe.Offsetof(h.state)}},
		} {
			definition := regexp.MustCompile(`typedef struct\s*\w*\s*{[^{}]*}\s*` + s.name + `[^;]*;`).FindString(text)
			if definition == "" {
				continue
			}
			compared++
			source += fmt.Sprintf("%s\nstatic_assert(sizeof(%s) == %d, \"size\");\n", definition, s.name, s.size)
			for field, offset := range s.offsets {
				source += fmt.Sprintf("static_assert(offsetof(%s, %s) == %d, \"offset\");\n", s.name, field, offset)
			}
		}
		command := exec.Command("g++", "-x", "c++", "-fsyntax-only", "-w", "-")
		command.Stdin = strings.NewReader(source)
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", path, err, out)
		}
	}
	if compared < 5 {
		t.Errorf("compared %d structs of 5", compared)
	}
}

// realLibraries are CUDA's own, where Python's packages have them.
func realLibraries(t *testing.T, library string) []string {
	t.Helper()
	var found []string
	for _, d := range sitePackages() {
		for _, below := range wheels(library) {
			if path := filepath.Join(d, below, library); exists(path) {
				found = append(found, path)
			}
		}
	}
	return found
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestLibrariesHaveAllFunctions reads the symbols of CUDA's libraries, of both major versions.
func TestLibrariesHaveAllFunctions(t *testing.T) {
	for library, functions := range map[string]any{
		"libnvrtc.so.12": &nvrtc{}, "libnvrtc.so.13": &nvrtc{}, "libcudnn.so.9": &cudnn{},
		"libcublasLt.so.12": &cublasLt{}, "libcublasLt.so.13": &cublasLt{},
	} {
		t.Run(library, func(t *testing.T) {
			paths := realLibraries(t, library)
			if len(paths) == 0 {
				t.Skip("not among Python's packages")
			}
			for _, path := range paths {
				f, err := elf.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				all, err := f.DynamicSymbols()
				if err != nil {
					t.Fatal(err)
				}
				has := map[string]bool{}
				for _, s := range all {
					has[s.Name] = has[s.Name] || s.Section != elf.SHN_UNDEF
				}
				for _, symbol := range symbols(functions) {
					if symbol != "" && !has[symbol] {
						t.Errorf("%s has no %s", path, symbol)
					}
				}
			}
		})
	}
}
