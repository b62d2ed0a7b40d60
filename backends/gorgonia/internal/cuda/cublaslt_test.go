//go:build linux

package cuda

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/goclr/goclr/backends/gorgonia/internal/cuda/stub"
	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

func standInProducts(t *testing.T, p precision) (*products, *gpu, *stub.Libraries) {
	t.Helper()
	g, l := standIn(t)
	library, err := newCublasLt(open(t, l, "libcublasLt.so.13"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := newProducts(g, library, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.close(); err != nil {
			t.Error(err)
		}
	})
	return v, g, l
}

func TestProductsAgreeWithReference(t *testing.T) {
	for p, name := range precisionNames {
		t.Run(name, func(t *testing.T) {
			v, g, l := standInProducts(t, p)
			for _, d := range [][3]int{{3, 4, 5}, {1, 7, 2}, {6, 1, 3}, {5, 3, 1}, {1, 1, 1}, {17, 33, 9}} {
				for i := range 4 {
					s, transA, transB := newSum(t, g, p), i&1 != 0, i&2 != 0
					m, n, k := d[0], d[1], d[2]
					a, b := []int{m, k}, []int{k, n}
					if transA {
						slices.Reverse(a)
					}
					if transB {
						slices.Reverse(b)
					}
					node := s.MatMul(s.operand(a...), s.operand(b...), transA, transB)
					x, y, out := s.tensor(node.In[0], device.Plain), s.tensor(node.In[1], device.Plain), s.tensor(node, device.Plain)
					for range 2 {
						if err := v.multiply(m, n, k, x.Data, transA, y.Data, transB, out.Data); err != nil {
							t.Fatal(err)
						}
					}
					near(t, fmt.Sprint(node, d, i), s.result(out), s.want(node), 1e-6)
				}
			}
			compute := map[precision]string{fp32: "compute 68 ", tf32: "compute 77 ", bf16: "compute 77 "}[p]
			log := strings.Join(l.Log(), "\n")
			if n := strings.Count(log, compute); n != 48 {
				t.Errorf("%d of 48 products asked for %s", n, compute)
			}
			if n := strings.Count(log, "GetHeuristic workspace 33554432 alignment 16"); n != 24 {
				t.Errorf("asked %d times for 24 algorithms", n)
			}
		})
	}
}

// TestProductWithoutAlgorithm computes what cuBLASLt does not.
func TestProductWithoutAlgorithm(t *testing.T) {
	v, g, l := standInProducts(t, tf32)
	standInKernels(t, g, l, tf32)
	l.Set("cublaslt_none", 1)
	s := newSum(t, g, tf32)
	node := s.MatMul(s.operand(5, 10), s.operand(3, 10), false, true)
	x, y, out := s.tensor(node.In[0], device.Plain), s.tensor(node.In[1], device.Plain), s.tensor(node, device.Plain)
	for range 2 {
		if err := v.multiply(5, 3, 10, x.Data, false, y.Data, true, out.Data); err != nil {
			t.Fatal(err)
		}
	}
	near(t, node.String(), s.result(out), s.want(node), 1e-6)
	if log := strings.Join(l.Log(), "\n"); strings.Contains(log, "cublasLtMatmul ") || strings.Count(log, "GetHeuristic") != 1 {
		t.Error(log)
	}
}

// TestProductThatTurnsOutNotToCompute is one of our own from then on.
func TestProductThatTurnsOutNotToCompute(t *testing.T) {
	v, g, l := standInProducts(t, fp32)
	standInKernels(t, g, l, fp32)
	s := newSum(t, g, fp32)
	node := s.MatMul(s.operand(5, 10), s.operand(3, 10), false, true)
	x, y, out := s.tensor(node.In[0], device.Plain), s.tensor(node.In[1], device.Plain), s.tensor(node, device.Plain)
	l.Set("cublaslt_status", 15)
	for range 2 {
		if err := v.multiply(5, 3, 10, x.Data, false, y.Data, true, out.Data); err != nil {
			t.Fatal(err)
		}
		near(t, node.String(), s.result(out), s.want(node), 1e-6)
		l.Set("cublaslt_status", 0)
	}
	if log := strings.Join(l.Log(), "\n"); strings.Count(log, "cublasLtMatmul ") != 1 || strings.Count(log, "launch product ") != 2 {
		t.Error(log)
	}
}

func TestProductErrors(t *testing.T) {
	v, g, l := standInProducts(t, fp32)
	at := allocated(t, g, 1<<10)
	l.Set("cublaslt_status", 3)
	if err := v.multiply(2, 3, 4, at, false, at, false, at); !errors.Is(err, errOutOfMemory) {
		t.Errorf("a product without memory: %v", err)
	}
	l.Set("cublaslt_status", 0)
	if err := v.multiply(2, 3, 4, at, false, at, false, at); err != nil {
		t.Error(err)
	}
	l.Set("cublaslt_status", 13)
	if err := v.multiply(2, 3, 4, at, false, at, false, at); err == nil || !strings.Contains(err.Error(), "product of [2 4] and [4 3]: cublasLtMatmul") {
		t.Errorf("a product that fails: %v", err)
	}
	if err := v.multiply(0, 3, 4, at, false, at, false, at); err == nil {
		t.Error("an empty product")
	}
}

func TestCublasLtThatDoesNotStart(t *testing.T) {
	g, l := standIn(t)
	library, err := newCublasLt(open(t, l, "libcublasLt.so.12"))
	if err != nil {
		t.Fatal(err)
	}
	if library.version() != 120000 {
		t.Errorf("version %d", library.version())
	}
	l.Set("cublaslt_create", 1)
	if _, err := newProducts(g, library, fp32); err == nil || !strings.Contains(err.Error(), "does not start") {
		t.Error(err)
	}
	l.Set("memory", 1<<20)
	if _, err := newProducts(g, library, fp32); err == nil || !strings.Contains(err.Error(), "32 MiB") {
		t.Error(err)
	}
}
