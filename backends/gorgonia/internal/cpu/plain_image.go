package cpu

import (
	"github.com/goclr/goclr/backends/gorgonia/internal/device"
	"github.com/goclr/goclr/backends/graph"
)

// image makes numbers of the bytes of views, sorted by channel. There are only 256 for each channel.
func (w crew) image(c *device.Call) error {
	attr := c.In[0].Scale
	if attr == nil {
		attr = &c.Attr
	}
	var values [3][256]float32
	for channel := range values {
		for b := range values[channel] {
			values[channel][b] = float32((float64(b)/255 - attr.Mean[channel]) / attr.Std[channel])
		}
	}
	pixels, out := elements[byte](c.In[0]), floats(c.Out)
	area := graph.Size(c.Out.Shape[2:])
	w.each(len(out), c.Out.Shape[0], func(_, i int) {
		view, planes := pixels[i*3*area:(i+1)*3*area], out[i*3*area:(i+1)*3*area]
		red, green, blue := planes[:area], planes[area:2*area], planes[2*area:]
		for p := range area {
			red[p] = values[0][view[3*p]]
			green[p] = values[1][view[3*p+1]]
			blue[p] = values[2][view[3*p+2]]
		}
	})
	return nil
}
