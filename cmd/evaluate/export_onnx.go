//go:build cgo

package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"

	"github.com/goclr/goclr/backends/onnx"
	"github.com/goclr/goclr/stages"
)

func (e *export) writeONNX(w io.Writer) error {
	run, err := filepath.Abs(e.run)
	if err != nil {
		return err
	}
	c, m := e.checkpoint, e.checkpoint.Config.Model
	err = onnx.Export(w, e.encoder, e.weights, onnx.Description{
		Version: version(),
		Doc: fmt.Sprintf("%s of width %g after %d steps of SimCLR. Input images: uint8 [N,%d,%d,3], RGB, any N; scaling and normalisation "+
			"are inside. Evaluate embed makes of an image, upright, %s. Output features: float32 [N,%d].",
			m.Encoder, m.Width, c.Step, m.ImageSize, m.ImageSize, framing(m.ImageSize), m.FeatureDim()),
		Metadata: map[string]string{
			"goclr.run":        filepath.Base(run),
			"goclr.step":       strconv.Itoa(c.Step),
			"goclr.encoder":    m.Encoder,
			"goclr.width":      strconv.FormatFloat(m.Width, 'g', -1, 64),
			"goclr.image_size": strconv.Itoa(m.ImageSize),
			"goclr.plan_hash":  c.PlanHash,
			"goclr.trained_by": c.Backend.Library,
			"goclr.version":    version(),
		},
	})
	if errors.Is(err, onnx.ErrTooLarge) {
		return fmt.Errorf("%w; write the weights alone with -format safetensors", err)
	}
	return err
}

// framing says in words what stages.Eval makes of an image.
func framing(size int) string {
	if crop, ok := stages.Eval(size)[0].(stages.CenterCrop); ok {
		return fmt.Sprintf("the central square, 0.875 of the shorter side, resized (%v, antialiased)", crop.Interpolation)
	}
	return "the whole of it, resized (bilinear, antialiased)"
}
