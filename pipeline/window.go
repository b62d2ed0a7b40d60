package pipeline

import "math/bits"

// windowed is an order of images that uses only about a window of the source at a time. The source, which begins at another
// image in each epoch, is cut into blocks of consecutive images. Lanes take blocks in a keyed order, each its own, and give
// the images of a block in a keyed order. A turn has one image of each lane, in a keyed order too.
//
// Lanes begin in the middle of a block, each at another place, and end with what they left of it. So blocks come and go one
// by one all through the epoch: what is at a distance never has to bring a whole window at once.
type windowed struct {
	seed, epoch uint64
	images      int
	origin      int // image where the first block begins
	lanes       int
	block       int         // images of a block
	turns       int         // images of a lane
	whole       int         // blocks of a lane, without the short one at its end
	blocks      permutation // of the whole blocks of all lanes
}

// windowLanes is how many blocks are in use at a time. More would mix images from more places, and read shorter pieces.
const windowLanes = 16

// Each part of the order has random numbers of its own.
var (
	originHash = stageHash("window/origin")
	blocksHash = stageHash("window/blocks")
	turnHash   = stageHash("window/turn")
	blockHash  = stageHash("window/block")
)

// cutWindow returns how many blocks a window has, and how many images a block.
func cutWindow(window int) (lanes, block int) {
	lanes = min(windowLanes, window)
	return lanes, window / lanes
}

// newWindowed returns the order of an epoch with a window of at least 1 image and less than all.
func newWindowed(images, window int, seed, epoch uint64) *windowed {
	lanes, block := cutWindow(window)
	w := &windowed{seed: seed, epoch: epoch, images: images, lanes: lanes, block: block, turns: images / lanes}
	w.whole = w.turns / block
	w.blocks = w.permutation(blocksHash, 0, w.whole*lanes)
	var g philox
	g.seekHash(seed, originHash, epoch, 0, 0)
	origin, _ := bits.Mul64(g.Uint64(), uint64(images))
	w.origin = int(origin)
	return w
}

// at returns the image at a position of the epoch.
func (w *windowed) at(position int) int {
	turn, slot := position/w.lanes, position%w.lanes
	if turn == w.turns { // the end of the source, which is too short for a turn
		return (w.origin + position) % w.images
	}
	order := w.permutation(turnHash, turn, w.lanes)
	lane := order.at(slot)
	taken := (turn + lane*w.block/w.lanes) % w.turns
	number, within := taken/w.block, taken%w.block
	first, length := 0, w.block
	if number < w.whole {
		number = w.blocks.at(number*w.lanes + lane)
		first = number * w.block
	} else { // short blocks lie behind the whole ones
		length = w.turns % w.block
		number = w.whole*w.lanes + lane
		first = w.whole*w.lanes*w.block + lane*length
	}
	inside := w.permutation(blockHash, number, length)
	return (w.origin + first + inside.at(within)) % w.images
}

// permutation returns the keyed permutation of [0, n) that has a number in a part of the order.
func (w *windowed) permutation(part uint64, number, n int) permutation {
	var g philox
	g.seekHash(w.seed, part, w.epoch, uint64(number), 0)
	return newPermutation(n, &g)
}
