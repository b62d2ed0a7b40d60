package backends

import "fmt"

// OnlyFloat32 is an error for a Precision other than "fp32": what a backend or device returns that has no other.
func OnlyFloat32(precision string) error {
	if precision != "" && precision != "fp32" {
		return fmt.Errorf("precision %q: this backend computes in fp32 here; tf32 and bf16 need backend gorgonia and a device cuda:N", precision)
	}
	return nil
}
