//go:build cgo

package kernel

// #include <stdlib.h>
// #include "team.h"
import "C"

import (
	"errors"
	"runtime/cgo"
	"sync"
	"unsafe"

	"github.com/sourcegraph/conc"
)

// A Team is goroutines that share the tasks of a kernel. Kernels of several programs may be run by one team: it takes one after
// the other.
type Team struct {
	c       *C.struct_goroutines
	handle  cgo.Handle
	lock    sync.Mutex          // held while tasks are shared
	work    chan *C.struct_work // to the goroutines that help
	busy    sync.WaitGroup      // those at work
	helpers conc.WaitGroup
}

// NewTeam starts threads-1 goroutines, which help the one that runs a kernel, and sleep meanwhile. Close ends them.
func NewTeam(threads int) (*Team, error) {
	t := &Team{work: make(chan *C.struct_work)}
	t.handle = cgo.NewHandle(t)
	t.c = C.goclr_step_new_team(C.uintptr_t(t.handle), C.size_t(threads))
	if t.c == nil {
		t.handle.Delete()
		return nil, errors.New("no memory for a team of threads")
	}
	for range threads - 1 {
		t.helpers.Go(t.help)
	}
	return t, nil
}

func (t *Team) help() {
	for w := range t.work {
		C.goclr_step_work(w)
		t.busy.Done()
	}
}

// Close waits for the goroutines to end. No kernel may be running.
func (t *Team) Close() {
	close(t.work)
	t.helpers.Wait()
	t.handle.Delete()
	C.free(unsafe.Pointer(t.c))
}

// goclrStepShare runs the tasks of w on so many goroutines, this one among them.
//
//export goclrStepShare
func goclrStepShare(team C.uintptr_t, w *C.struct_work, threads C.size_t) {
	t := cgo.Handle(team).Value().(*Team)
	t.lock.Lock()
	defer t.lock.Unlock()
	t.busy.Add(int(threads) - 1)
	for range int(threads) - 1 {
		t.work <- w
	}
	C.goclr_step_work(w)
	t.busy.Wait()
}
