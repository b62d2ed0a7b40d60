//go:build !cgo

package stages

import "errors"

// Shrink needs libvips: in a program built without cgo it returns an error.
func Shrink(_ []byte, _, _ int) ([]byte, error) {
	return nil, errors.New("stages.Shrink: this program was built without cgo, and shrinking (-max-side) needs libvips: build it with CGO_ENABLED=1")
}
