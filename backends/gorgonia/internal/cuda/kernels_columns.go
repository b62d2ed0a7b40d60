package cuda

import (
	"math"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

const (
	columnWidth = 32 // columns of a block of kernels/columns.cu
	// columnHeight is the fewest rows of a block, and columnParts the most parts that a column is cut into.
	columnHeight = 64
	columnParts  = 64
)

// columnGrid is the grid for a matrix: the rows of a block, and blocks across and down.
func columnGrid(shape []int) (height, across, down int) {
	height = max(columnHeight, parts(shape[0], columnParts))
	return height, parts(shape[1], columnWidth), parts(shape[0], height)
}

// columnScratch has the parts of two sums over each column of operand 0.
func columnScratch(c *device.Call) int { return scratchFloats(partsOf(c.In[0].Shape)) }

// partsOf is how many numbers the parts of a matrix are.
func partsOf(shape []int) int {
	_, _, down := columnGrid(shape)
	return down * 2 * shape[1]
}

// columnsArguments are those of the sums in kernels/columns.cu.
type columnsArguments struct {
	x, moments, dy, y            unsafe.Pointer
	parts, out                   unsafe.Pointer
	rows, columns, height, count int32
	eps                          float32
}

// sumColumns adds up the columns of a matrix in parts, and then the parts.
func (p plain) sumColumns(partial, total string, shape []int, a columnsArguments) error {
	height, across, down := columnGrid(shape)
	a.rows, a.columns, a.height, a.count = int32(shape[0]), int32(shape[1]), int32(height), int32(down)
	if err := p.launch(partial, across, down, unsafe.Pointer(&a)); err != nil {
		return err
	}
	return p.launch(total, across, 1, unsafe.Pointer(&a))
}

func (p plain) sumRows(c *device.Call) error {
	x := c.In[0]
	return p.sumColumns("column_sum_parts", "column_sums", x.Shape, columnsArguments{x: x.Data, parts: c.Scratch, out: c.Out.Data})
}

func (p plain) moments(c *device.Call) error {
	x := c.In[0]
	return p.sumColumns("column_deviation_parts", "column_moments", x.Shape, columnsArguments{x: x.Data, parts: c.Scratch, out: c.Out.Data})
}

// spreadScratch has the parts of the sums over columns, and the standard deviation of each.
func spreadScratch(c *device.Call) int { return columnScratch(c) + scratchFloats(c.In[0].Shape[1]) }

func (p plain) spread(c *device.Call) error {
	x := c.In[0]
	features, deviations := x.Shape[1], behind(c.Scratch, partsOf(x.Shape))
	a := columnsArguments{x: x.Data, parts: c.Scratch, out: deviations}
	if err := p.sumColumns("column_deviation_parts", "column_deviations", x.Shape, a); err != nil {
		return err
	}
	return p.scaledSum(deviations, features, 1/math.Sqrt(float64(features)), c.Out.Data)
}

func (p plain) normalizeGradParams(c *device.Call) error {
	return p.sumGradients(c, c.In[2].Data, given(c, 3), c.Scratch, c.Out.Data)
}

// sumGradients sets params [2, C] to the gradients of gamma and beta, given those of the result; y may be nil. Operands 0 and 1 of the
// call are x and its moments.
func (p plain) sumGradients(c *device.Call, dy, y, scratch, params unsafe.Pointer) error {
	x := c.In[0]
	return p.sumColumns("column_gradient_parts", "column_gradients", x.Shape, columnsArguments{
		x: x.Data, moments: c.In[1].Data, dy: dy, y: y, parts: scratch, out: params, eps: float32(c.Attr.Eps),
	})
}

// columnNormalizeArguments are those of column_normalize.
type columnNormalizeArguments struct {
	x, moments, gamma, beta, add, out unsafe.Pointer
	rows, columns, height, relu       int32
	eps                               float32
}

func (p plain) normalize(c *device.Call) error {
	height, across, down := columnGrid(c.Out.Shape)
	return p.launch("column_normalize", across, down, unsafe.Pointer(&columnNormalizeArguments{
		x: c.In[0].Data, moments: c.In[1].Data, gamma: c.In[2].Data, beta: given(c, 3), add: given(c, 4), out: c.Out.Data,
		rows: int32(c.Out.Shape[0]), columns: int32(c.Out.Shape[1]), height: int32(height), relu: flag(c.Attr.ReLU),
		eps: float32(c.Attr.Eps),
	}))
}

// normalizeGradInputScratch has the gradients of gamma and beta, and the parts of these, for a call without them.
func normalizeGradInputScratch(c *device.Call) int {
	if given(c, 4) != nil {
		return 0
	}
	return columnScratch(c) + scratchFloats(2*c.Out.Shape[1])
}

// columnNormalizeGradArguments are those of column_normalize_grad.
type columnNormalizeGradArguments struct {
	x, moments, gamma, dy, params, y, out unsafe.Pointer
	rows, columns, height                 int32
	eps                                   float32
}

func (p plain) normalizeGradInput(c *device.Call) error {
	params, y := given(c, 4), given(c, 5)
	if params == nil {
		params = behind(c.Scratch, partsOf(c.Out.Shape))
		if err := p.sumGradients(c, c.In[3].Data, y, c.Scratch, params); err != nil {
			return err
		}
	}
	height, across, down := columnGrid(c.Out.Shape)
	return p.launch("column_normalize_grad", across, down, unsafe.Pointer(&columnNormalizeGradArguments{
		x: c.In[0].Data, moments: c.In[1].Data, gamma: c.In[2].Data, dy: c.In[3].Data, params: params, y: y, out: c.Out.Data,
		rows: int32(c.Out.Shape[0]), columns: int32(c.Out.Shape[1]), height: int32(height), eps: float32(c.Attr.Eps),
	}))
}

// columnBiasArguments are those of column_bias.
type columnBiasArguments struct {
	x, bias, out          unsafe.Pointer
	rows, columns, height int32
}

func (p plain) addBias(c *device.Call) error {
	height, across, down := columnGrid(c.Out.Shape)
	return p.launch("column_bias", across, down, unsafe.Pointer(&columnBiasArguments{
		x: c.In[0].Data, bias: c.In[1].Data, out: c.Out.Data,
		rows: int32(c.Out.Shape[0]), columns: int32(c.Out.Shape[1]), height: int32(height),
	}))
}
