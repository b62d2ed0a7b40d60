package backends

import "errors"

// OnlyInOrder is an error for AnyOrder: what a backend or device returns whose sums are always in one order, or in one that it cannot
// choose.
func OnlyInOrder(anyOrder bool) error {
	if anyOrder {
		return errors.New("sums in any order (-deterministic=false): this backend has no such algorithms to choose here, only backend gorgonia on a device cuda:N has; say -deterministic, which is the default")
	}
	return nil
}
