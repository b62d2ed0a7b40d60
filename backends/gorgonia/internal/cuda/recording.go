package cuda

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

// A recording is a graph of CUDA: kernels with their arguments, which the GPU starts one after another by itself.
type recording struct {
	gpu          *gpu
	convolutions *convolutions
	graph        uintptr // CUgraphExec
}

// Record has the driver take down what kernels do, in a stream of its own that they are started in for so long: copies and
// allocations for others go on beside it. See device.Recorder.
func (d *Device) Record(f func() error) (device.Recording, error) {
	g := d.gpu
	r := &recording{gpu: g, convolutions: d.convolutions}
	var stream uintptr
	if err := g.do(func() error { return g.newStream(&stream) }); err != nil {
		return nil, fmt.Errorf("recording a CUDA graph: %w", err)
	}
	err := r.capture(stream, f)
	err = errors.Join(err, g.do(func() error { return g.check("cuStreamDestroy", g.cuStreamDestroy.call(stream)) }))
	if err != nil {
		return nil, fmt.Errorf("recording a CUDA graph: %w", errors.Join(err, r.Close()))
	}
	return r, nil
}

// capture makes the graph of what kernels do in a stream while f runs.
func (r *recording) capture(stream uintptr, f func() error) error {
	g := r.gpu
	if err := g.do(func() error { // relaxed, since Go may go on in another thread, and other threads may do as they like
		return g.check("cuStreamBeginCapture", g.cuStreamBeginCapture.call(stream, captureRelaxed))
	}); err != nil {
		return err
	}
	err := r.redirect(stream, f)
	return g.do(func() error {
		var graph uintptr
		ended := g.check("cuStreamEndCapture", g.cuStreamEndCapture.call(stream, uintptr(unsafe.Pointer(&graph))))
		if err == nil { // of which the other would be a consequence
			err = ended
		}
		if graph == 0 {
			return err
		}
		if err == nil {
			err = g.check("cuGraphInstantiate", g.cuGraphInstantiate.call(uintptr(unsafe.Pointer(&r.graph)), graph, 0))
		}
		if err == nil { // what the GPU has no memory for should fail now, and not when it is launched
			err = g.check("cuGraphUpload", g.cuGraphUpload.call(r.graph, g.stream))
		}
		return errors.Join(err, g.check("cuGraphDestroy", g.cuGraphDestroy.call(graph)))
	})
}

// redirect has kernels start in a stream while f runs.
func (r *recording) redirect(stream uintptr, f func() error) error {
	g, v := r.gpu, r.convolutions
	g.kernels = stream
	defer func() { g.kernels = g.stream }()
	err := g.do(func() error { return v.follow(stream) })
	if err == nil {
		err = f()
	}
	return errors.Join(err, g.do(func() error { return v.follow(g.stream) }))
}

// Launch starts the graph in the stream of all work.
func (r *recording) Launch() error {
	g := r.gpu
	return g.do(func() error { return g.check("cuGraphLaunch", g.cuGraphLaunch.call(r.graph, g.stream)) })
}

// Close gives the graph back, which the driver keeps for as long as it runs.
func (r *recording) Close() error {
	if r.graph == 0 {
		return nil
	}
	g := r.gpu
	err := g.do(func() error { return g.check("cuGraphExecDestroy", g.cuGraphExecDestroy.call(r.graph)) })
	r.graph = 0
	return err
}
