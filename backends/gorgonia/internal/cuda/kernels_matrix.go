package cuda

import (
	"fmt"
	"math"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

// A matrix is how the kernels in kernels/pixels.cuh see images, [pixels of all images, channels], and how a grid divides it: block x, y
// has slab x of the rows and tile y of the channels.
type matrix struct{ rows, slab, channels, tile int32 }

const (
	widestTile  = 128  // channels, so that a block of 256 threads has several rows at a time in any precision
	leastSlab   = 32   // rows: with fewer, a block has more to do for its channels than for its rows
	manyBlocks  = 2048 // blocks of a grid whose blocks are independent: several times what an H100 runs at once
	fewBlocks   = 512  // blocks of a grid that makes sums: all run at once, and there are few sums to add up
	leastVector = 4    // elements that 16 bytes have in float32
	mostVector  = 8    // and in bfloat16
)

// divide lays out images of a shape [N, C, H, W] for about so many blocks. The sums of a smaller batch may be divided in other ways, so
// they are other bits.
func divide(shape []int, blocks int) (matrix, error) {
	rows, channels := shape[0]*shape[2]*shape[3], shape[1]
	if rows > math.MaxInt32/2 {
		return matrix{}, fmt.Errorf("images %v have too many pixels for a kernel: use a smaller batch", shape)
	}
	tiles := tilesOf(channels)
	tile := parts(channels, tiles)
	if channels%leastVector == 0 {
		tile = parts(tile, mostVector) * mostVector
	}
	slab := max(leastSlab, parts(rows, max(1, blocks/tiles)))
	return matrix{int32(rows), int32(slab), int32(channels), int32(tile)}, nil
}

func tilesOf(channels int) int { return parts(channels, widestTile) }

// parts is the number of parts of a size that n has, the last of them perhaps smaller.
func parts(n, size int) int { return (n + size - 1) / size }

// grid is the number of blocks of a matrix.
func (m matrix) grid() (x, y int) {
	return parts(int(m.rows), int(m.slab)), parts(int(m.channels), int(m.tile))
}

// sumsScratch has two sums a slab and channel. A smaller batch at the time of a call has no more slabs than this.
func sumsScratch(c *device.Call) int {
	s := c.In[0].Shape
	slabs := min(parts(s[0]*s[2]*s[3], leastSlab), max(1, fewBlocks/tilesOf(s[1])))
	return slabs * 2 * s[1] * 4
}
