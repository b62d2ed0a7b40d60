//go:build cgo

package kernel

// #include "team.h"
import "C"

import (
	"errors"
	"time"
	"unsafe"

	"github.com/sourcegraph/conc"
)

// A Team is goroutines that share the tasks of a kernel. Several programs may have their kernels run by one team: it takes one
// after the other.
type Team struct {
	c       *C.struct_helped
	helpers conc.WaitGroup
}

// NewTeam starts threads-1 goroutines, which help the one that runs a kernel. Close ends them. Without work they look out for it at
// full speed for the given time, then sleep.
func NewTeam(threads int, spin time.Duration) (*Team, error) {
	t := &Team{c: C.goclr_step_new_team(C.size_t(threads-1), C.int64_t(spin))}
	if t.c == nil {
		return nil, errors.New("no memory for a team of threads")
	}
	for range threads - 1 {
		t.helpers.Go(func() { C.goclr_step_help(t.c) })
	}
	return t, nil
}

// Close waits for the goroutines to end. No kernel may be running.
func (t *Team) Close() {
	C.goclr_step_close_team(t.c)
	t.helpers.Wait()
	C.goclr_step_free_team(t.c)
}

// pointer is the struct team of C.
func (t *Team) pointer() unsafe.Pointer { return unsafe.Pointer(t.c) }
