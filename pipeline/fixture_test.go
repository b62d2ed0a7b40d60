package pipeline_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/goclr/goclr/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counting is a Source of n "encoded" images: image i is the number i in 8 bytes, its label i%10.
type counting struct{ n int }

func (c counting) Len() int { return c.n }

func (c counting) Read(_ context.Context, i int, s *pipeline.Sample) error {
	s.Bytes = s.Buffer(8)
	binary.LittleEndian.PutUint64(s.Bytes, uint64(i))
	s.Label = int32(i % 10)
	return nil
}

// unpack decodes an image of counting: a square in which each pixel has the low three bytes of the number.
type unpack struct{ Size int }

func (u unpack) Shape(in pipeline.Shape) (pipeline.Shape, error) {
	if !in.Encoded() {
		return in, fmt.Errorf("unpack needs an encoded image, got %v", in)
	}
	return pipeline.Shape{H: u.Size, W: u.Size, C: 3}, nil
}

func (u unpack) Apply(s *pipeline.Sample) error {
	m := s.Next(u.Size, u.Size)
	for i := range m.Pix {
		m.Pix[i] = s.Bytes[i%3]
	}
	s.Swap()
	return nil
}
