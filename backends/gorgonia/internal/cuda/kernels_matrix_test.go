package cuda

import (
	"testing"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

func TestDivide(t *testing.T) {
	for _, channels := range []int{1, 3, 4, 8, 20, 64, 100, 127, 128, 130, 132, 136, 255, 260, 512, 1000, 2048, 100000} {
		for _, blocks := range []int{fewBlocks, manyBlocks} {
			for images := 1; images < 1500; images += 1 + images/9 {
				m, err := divide([]int{images, channels, 7, 9}, blocks)
				if err != nil {
					t.Fatal(err)
				}
				slabs, tiles := m.grid()
				if int(m.tile) > blockThreads || m.tile < 1 || channels%4 == 0 && m.tile%8 != 0 {
					t.Fatalf("%d channels make tiles of %d", channels, m.tile)
				}
				if slabs*int(m.slab) < images*63 || tiles*int(m.tile) < channels || (tiles-1)*int(m.tile) >= channels {
					t.Fatalf("%d images of %d channels: %+v leaves something out", images, channels, m)
				}
				if slabs*tiles > max(blocks, tiles) {
					t.Fatalf("%d images of %d channels make %d by %d blocks", images, channels, slabs, tiles)
				}
			}
		}
	}
	if _, err := divide([]int{1 << 20, 1, 1 << 6, 1 << 6}, fewBlocks); err == nil {
		t.Error("a kernel counts the pixels of 2^32")
	}
}

// TestSumsScratch gives smaller batches the scratch of a large one.
func TestSumsScratch(t *testing.T) {
	for _, channels := range []int{8, 64, 300, 2048} {
		for images := 1; images < 800; images++ {
			scratch := sumsScratch(&device.Call{In: []device.Tensor{{Shape: []int{images, channels, 5, 7}}}})
			for few := 1; few <= images; few += 1 + few/7 {
				m, err := divide([]int{few, channels, 5, 7}, fewBlocks)
				if err != nil {
					t.Fatal(err)
				}
				if slabs, _ := m.grid(); slabs*2*channels*4 > scratch {
					t.Fatalf("%d of %d images of %d channels do not fit into their scratch", few, images, channels)
				}
			}
		}
	}
}
