package stages

import (
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/stages/internal/kernel"
)

// A colourer is a stage that changes pixels one by one, or by means over all of them.
type colourer interface {
	pipeline.Drawer
	// ops returns what ApplyWith does with the parameters p: the first n operations.
	ops(p []float64) (ops [4]kernel.ColourOp, n int)
}

// recolour does operations on the image.
func recolour(s *pipeline.Sample, ops []kernel.ColourOp) error {
	if err := needPixels(s); err != nil {
		return err
	}
	kernel.Colour(s.Image.Pix, ops)
	return nil
}

// colourChain does the operations of a chain at once, while the pixels are in the cache. Its parameters are those of all.
type colourChain []colourer

func (c colourChain) applyWith(s *pipeline.Sample, p []float64) error {
	var room [16]kernel.ColourOp
	all := room[:0]
	for _, stage := range c {
		ops, n := stage.ops(p)
		all = append(all, ops[:n]...)
		p = p[len(stage.Params()):]
	}
	return recolour(s, all)
}
