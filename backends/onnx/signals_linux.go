package onnx

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// A sigaction is the kernel's struct sigaction of 64-bit machines.
type sigaction struct {
	handler, flags, restorer, mask uintptr
}

const (
	lastSignal = 64
	onStack    = 0x08000000 // SA_ONSTACK: run on the stack that Go gives its handlers
)

// keepSignals calls f and takes back the signals for which it has installed handlers that do not run on the signal stack: when
// such a signal comes, Go ends the process ("non-Go code set up signal handler without SA_ONSTACK flag"). CUDA does so, and
// Ctrl-C then crashes.
func keepSignals(f func() error) error {
	var before [lastSignal + 1]sigaction
	for s := range before {
		rtSigaction(s, nil, &before[s])
	}
	err := f()
	for s := range before {
		var after sigaction
		rtSigaction(s, nil, &after)
		if after != before[s] && after.flags&onStack == 0 {
			rtSigaction(s, &before[s], nil)
		}
	}
	return err
}

// rtSigaction sets and gets what a signal does. What has no such signal fails, and changes nothing.
func rtSigaction(signal int, set, get *sigaction) {
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(signal), uintptr(unsafe.Pointer(set)),
		uintptr(unsafe.Pointer(get)), unsafe.Sizeof(sigaction{}.mask), 0, 0)
}
