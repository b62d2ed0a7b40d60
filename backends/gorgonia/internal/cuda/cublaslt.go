package cuda

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"
)

// A cublasLt is the library of products of matrices.
type cublasLt struct {
	cublasLtGetVersion                   function
	cublasLtGetStatusString              function
	cublasLtCreate                       function
	cublasLtDestroy                      function
	cublasLtMatrixLayoutCreate           function
	cublasLtMatrixLayoutDestroy          function
	cublasLtMatmulDescCreate             function
	cublasLtMatmulDescDestroy            function
	cublasLtMatmulDescSetAttribute       function
	cublasLtMatmulPreferenceCreate       function
	cublasLtMatmulPreferenceDestroy      function
	cublasLtMatmulPreferenceSetAttribute function
	cublasLtMatmulAlgoGetHeuristic       function
	cublasLtMatmul                       function
}

// newCublasLt takes the functions of an open library.
func newCublasLt(library uintptr) (*cublasLt, error) {
	l := &cublasLt{}
	return l, bind(library, l)
}

// version is that of the library, 10000 * major + 100 * minor + patch.
func (l *cublasLt) version() int { return int(l.cublasLtGetVersion.call()) }

// check makes an error of the result of a function, unless that is CUBLAS_STATUS_SUCCESS.
func (l *cublasLt) check(function string, result uintptr) error {
	code := int32(result)
	if code == 0 {
		return nil
	}
	err := fmt.Errorf("%s: %s", function, text(l.cublasLtGetStatusString.call(uintptr(code))))
	if code == ltOutOfMemory {
		return fmt.Errorf("%w: %w", err, errOutOfMemory)
	}
	return err
}

const (
	productWorkspace = 32 << 20 // bytes, as NVIDIA advises for Hopper
	productAlignment = 16       // bytes, of matrices: neighbours in an arena need not have more
)

// products multiplies matrices by cuBLASLt, or by a kernel of our own where it has no algorithm: see multiplier.
type products struct {
	*cublasLt
	gpu       *gpu
	handle    uintptr
	precision precision
	workspace *memory

	mu        sync.Mutex
	plans     map[productKey]*productPlan
	one, zero *float32
}

type productKey struct {
	m, n, k        int
	transA, transB bool
}

func (k productKey) String() string {
	return fmt.Sprintf("product of [%d %d] and [%d %d]", k.m, k.k, k.k, k.n)
}

// A productPlan is how cuBLASLt computes a product. Its matrices are column-major, so that it multiplies the transpose of b by that of
// a, both as they lie in memory.
type productPlan struct {
	description, first, second, result uintptr
	own                                bool      // cuBLASLt has no algorithm
	proven                             bool      // it has computed
	algorithm                          [8]uint64 // cublasLtMatmulAlgo_t
	destroy                            []func()
}

// A productHeuristic is cublasLtMatmulHeuristicResult_t.
type productHeuristic struct {
	algorithm [8]uint64
	workspace uint
	state     int32
	_         float32
	_         [4]int32
}

// newProducts starts cuBLASLt on a GPU.
func newProducts(g *gpu, l *cublasLt, p precision) (*products, error) {
	v := &products{cublasLt: l, gpu: g, precision: p, plans: map[productKey]*productPlan{}, one: new(float32), zero: new(float32)}
	*v.one = 1
	var err error
	if v.workspace, err = g.allocate(productWorkspace); err != nil {
		return nil, fmt.Errorf("memory for cuBLASLt: %w", err)
	}
	err = g.do(func() error {
		return g.cause(l.check("cublasLtCreate", l.cublasLtCreate.call(uintptr(unsafe.Pointer(&v.handle)))))
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cuBLASLt does not start: %w", err), v.workspace.Free())
	}
	return v, nil
}

func (v *products) multiply(m, n, k int, a unsafe.Pointer, transA bool, b unsafe.Pointer, transB bool, out unsafe.Pointer) error {
	return v.gpu.do(func() error {
		v.mu.Lock()
		defer v.mu.Unlock()
		key := productKey{m, n, k, transA, transB}
		p, ok := v.plans[key]
		if !ok {
			var err error
			if p, err = v.plan(key); err != nil {
				return fmt.Errorf("%v: %w", key, err)
			}
			v.plans[key] = p
		}
		if p.own {
			return tiled{v.gpu}.multiply(m, n, k, a, transA, b, transB, out)
		}
		status := v.cublasLtMatmul.call(v.handle, p.description, uintptr(unsafe.Pointer(v.one)),
			uintptr(b), p.first, uintptr(a), p.second, uintptr(unsafe.Pointer(v.zero)), uintptr(out), p.result, uintptr(out), p.result,
			uintptr(unsafe.Pointer(&p.algorithm)), v.workspace.address, productWorkspace, v.gpu.kernels)
		err := v.check("cublasLtMatmul", status)
		if err == nil {
			p.proven = true
			return nil
		}
		if err = v.gpu.cause(err); p.proven || isFinal(err) {
			return fmt.Errorf("%v: %w", key, err)
		}
		p.own = true // what the heuristic named does not compute it after all
		return tiled{v.gpu}.multiply(m, n, k, a, transA, b, transB, out)
	})
}

// plan describes a product to cuBLASLt and takes the algorithm that it thinks the fastest.
func (v *products) plan(key productKey) (*productPlan, error) {
	p := &productPlan{}
	err := v.describe(p, key)
	if err == nil {
		err = v.choose(p)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (v *products) describe(p *productPlan, key productKey) error {
	compute := uintptr(computeFastTF32)
	if v.precision == fp32 {
		compute = computeFloat
	}
	if err := v.check("cublasLtMatmulDescCreate", v.cublasLtMatmulDescCreate.call(
		uintptr(unsafe.Pointer(&p.description)), compute, realFloat)); err != nil {
		return err
	}
	p.destroy = append(p.destroy, func() { v.cublasLtMatmulDescDestroy.call(p.description) })
	for attribute, transposed := range map[uintptr]bool{matmulTransA: key.transB, matmulTransB: key.transA} {
		operation := int32(operationN)
		if transposed {
			operation = operationT
		}
		if err := v.check("cublasLtMatmulDescSetAttribute", v.cublasLtMatmulDescSetAttribute.call(
			p.description, attribute, uintptr(unsafe.Pointer(&operation)), unsafe.Sizeof(operation))); err != nil {
			return err
		}
	}
	for _, layout := range []struct {
		to         *uintptr
		rows, cols int
		transposed bool
	}{
		{&p.first, key.n, key.k, key.transB}, {&p.second, key.k, key.m, key.transA}, {&p.result, key.n, key.m, false},
	} {
		rows, cols := layout.rows, layout.cols
		if layout.transposed {
			rows, cols = cols, rows
		}
		if err := v.check("cublasLtMatrixLayoutCreate", v.cublasLtMatrixLayoutCreate.call(
			uintptr(unsafe.Pointer(layout.to)), realFloat, uintptr(rows), uintptr(cols), uintptr(rows))); err != nil {
			return err
		}
		p.destroy = append(p.destroy, func() { v.cublasLtMatrixLayoutDestroy.call(*layout.to) })
	}
	return nil
}

func (v *products) choose(p *productPlan) error {
	var preference uintptr
	if err := v.check("cublasLtMatmulPreferenceCreate", v.cublasLtMatmulPreferenceCreate.call(
		uintptr(unsafe.Pointer(&preference)))); err != nil {
		return err
	}
	defer v.cublasLtMatmulPreferenceDestroy.call(preference)
	workspace := uint64(productWorkspace)
	if err := v.prefer(preference, preferWorkspace, unsafe.Pointer(&workspace), unsafe.Sizeof(workspace)); err != nil {
		return err
	}
	alignment := uint32(productAlignment)
	for _, attribute := range []uintptr{preferAlignmentA, preferAlignmentB, preferAlignmentC, preferAlignmentD} {
		if err := v.prefer(preference, attribute, unsafe.Pointer(&alignment), unsafe.Sizeof(alignment)); err != nil {
			return err
		}
	}
	var found productHeuristic
	var count int32
	status := v.cublasLtMatmulAlgoGetHeuristic.call(
		v.handle, p.description, p.first, p.second, p.result, p.result, preference,
		1, uintptr(unsafe.Pointer(&found)), uintptr(unsafe.Pointer(&count)))
	err := v.check("cublasLtMatmulAlgoGetHeuristic", status)
	if errors.Is(err, errOutOfMemory) {
		return err
	}
	p.own = err != nil || count == 0 || found.state != 0
	p.algorithm = found.algorithm
	return nil
}

func (v *products) prefer(preference, attribute uintptr, value unsafe.Pointer, size uintptr) error {
	return v.check("cublasLtMatmulPreferenceSetAttribute", v.cublasLtMatmulPreferenceSetAttribute.call(
		preference, attribute, uintptr(value), size))
}

func (p *productPlan) close() {
	for _, f := range p.destroy {
		f()
	}
}

// close gives everything back. Nothing may be running.
func (v *products) close() error {
	return errors.Join(v.workspace.Free(), v.gpu.do(func() error {
		for _, p := range v.plans {
			p.close()
		}
		return v.check("cublasLtDestroy", v.cublasLtDestroy.call(v.handle))
	}))
}
