package stages

import "fmt"

// Style says whose definition a stage follows, where the two that SimCLR is known by differ.
type Style int

// The styles.
const (
	Torchvision Style = iota // torchvision's transforms of 8-bit images
	TensorFlow               // the reference code of SimCLR (google-research/simclr) and the tf.image that it calls
)

// String returns "torchvision" or "tensorflow".
func (y Style) String() string {
	switch y {
	case Torchvision:
		return "torchvision"
	case TensorFlow:
		return "tensorflow"
	}
	return fmt.Sprintf("Style(%d)", int(y))
}

func needStyle(stage string, y Style) error {
	if y != Torchvision && y != TensorFlow {
		return fmt.Errorf("stages.%s: Style is %v, want Torchvision or TensorFlow", stage, y)
	}
	return nil
}
