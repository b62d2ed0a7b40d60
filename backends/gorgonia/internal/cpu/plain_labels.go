package cpu

import (
	"fmt"
	"math"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

// labelScratch has a number for each row.
func labelScratch(c *device.Call) int { return doublesBytes(c.In[0].Shape[0]) }

// labelsOf are the labels of a call. One that is no class of the logits is an error.
func labelsOf(c *device.Call) ([]int32, error) {
	labels, classes := elements[int32](c.In[1]), c.In[0].Shape[1]
	for i, label := range labels {
		if label < 0 || int(label) >= classes {
			return nil, fmt.Errorf("row %d has label %d, want one from 0 to %d: give the model as many classes as there are", i, label, classes-1)
		}
	}
	return labels, nil
}

// meanOfRows sets the result to the mean of a term of each row of logits and its label.
func (w crew) meanOfRows(c *device.Call, term func(row []float32, label int) float64) error {
	labels, err := labelsOf(c)
	if err != nil {
		return err
	}
	d := desk{c.Scratch}
	logits, classes, terms := floats(c.In[0]), c.In[0].Shape[1], d.doubles(len(labels))
	w.each(len(logits), len(labels), func(_, i int) { terms[i] = term(planeOf(logits, i, classes), int(labels[i])) })
	floats(c.Out)[0] = float32(sum(terms) / float64(len(labels)))
	return nil
}

// logSumExp is log(sum(exp(row))).
func logSumExp(row []float32) float64 {
	largest, sum := row[0], 0.0
	for _, v := range row {
		largest = max(largest, v)
	}
	for _, v := range row {
		sum += math.Exp(float64(v) - float64(largest))
	}
	return float64(largest) + math.Log(sum)
}

func (w crew) crossEntropy(c *device.Call) error {
	return w.meanOfRows(c, func(row []float32, label int) float64 { return logSumExp(row) - float64(row[label]) })
}

func (w crew) crossEntropyGrad(c *device.Call) error {
	labels, err := labelsOf(c)
	if err != nil {
		return err
	}
	logits, out, classes := floats(c.In[0]), floats(c.Out), c.Out.Shape[1]
	w.each(len(logits), len(labels), func(_, i int) {
		row, out := planeOf(logits, i, classes), planeOf(out, i, classes)
		total := logSumExp(row)
		for class, v := range row {
			p := math.Exp(float64(v) - total)
			if class == int(labels[i]) {
				p--
			}
			out[class] = float32(p / float64(len(labels)))
		}
	})
	return nil
}

func (w crew) labelAccuracy(c *device.Call) error {
	return w.meanOfRows(c, func(row []float32, label int) float64 {
		largest := 0
		for class, v := range row {
			if v > row[largest] {
				largest = class
			}
		}
		if largest == label {
			return 1
		}
		return 0
	})
}
