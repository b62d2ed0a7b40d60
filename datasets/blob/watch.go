package blob

import (
	"context"
	"fmt"
	"time"
)

// A watch is the context of a request that may outlive the call which made it, but not a call that waits for it.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	stall  time.Duration
	timer  *time.Timer
	stop   func() bool // takes the context of the call away
}

// watch returns a watch with the call of ctx waiting.
func (p patience) watch(ctx context.Context) *watch {
	w := &watch{stall: p.stall}
	w.ctx, w.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	w.begin(ctx)
	return w
}

// begin has the call of ctx wait: the request ends with ctx, or when nothing comes.
func (w *watch) begin(ctx context.Context) {
	w.stop = context.AfterFunc(ctx, func() { w.cancel(context.Cause(ctx)) })
	w.timer = time.AfterFunc(w.stall, func() { w.cancel(fmt.Errorf("the store sent nothing for %s", w.stall)) })
}

// came says that something has come.
func (w *watch) came() { w.timer.Reset(w.stall) }

// pause says that no call waits.
func (w *watch) pause() {
	w.stop()
	w.timer.Stop()
}

// end ends the request.
func (w *watch) end() {
	w.pause()
	w.cancel(nil)
}

// cause returns why a request ended, in place of an error that only says that it was ended.
func (w *watch) cause(err error) error {
	if err != nil && w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	return err
}
