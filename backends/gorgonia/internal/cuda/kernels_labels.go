package cuda

import (
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

// labelScratch has a number for each row.
func labelScratch(c *device.Call) int { return scratchFloats(c.In[0].Shape[0]) }

// labelsArguments are those of kernels/labels.cu.
type labelsArguments struct {
	logits, labels, out unsafe.Pointer
	rows, classes       int32
}

// judge runs a kernel with a block for each row of logits.
func (p plain) judge(kernel string, c *device.Call, out unsafe.Pointer) error {
	logits := c.In[0]
	return p.launch(kernel, logits.Shape[0], 1, unsafe.Pointer(&labelsArguments{
		logits: logits.Data, labels: c.In[1].Data, out: out, rows: int32(logits.Shape[0]), classes: int32(logits.Shape[1]),
	}))
}

// meanOfRows sets the result to the mean of what a kernel yields for each row of logits and its label.
func (p plain) meanOfRows(kernel string) func(c *device.Call) error {
	return func(c *device.Call) error {
		if err := p.judge(kernel, c, c.Scratch); err != nil {
			return err
		}
		rows := c.In[0].Shape[0]
		return p.scaledSum(c.Scratch, rows, 1/float64(rows), c.Out.Data)
	}
}

func (p plain) crossEntropyGrad(c *device.Call) error {
	return p.judge("cross_entropy_grad", c, c.Out.Data)
}
