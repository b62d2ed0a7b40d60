package onnx

import (
	"errors"
	"os"
	"os/signal"
	"testing"

	"golang.org/x/sys/unix"
)

// TestKeepSignals lets a function do to a signal what CUDA does, and expects the signal to reach Go as before.
func TestKeepSignals(t *testing.T) {
	received := make(chan os.Signal, 1)
	signal.Notify(received, unix.SIGUSR1)
	defer signal.Stop(received)
	broken := errors.New("broken")
	err := keepSignals(func() error {
		var mine sigaction
		rtSigaction(int(unix.SIGUSR1), nil, &mine)
		if mine.flags&onStack == 0 {
			t.Errorf("Go's own handler has the flags %#x: the layout of sigaction is wrong", mine.flags)
		}
		rtSigaction(int(unix.SIGUSR1), &sigaction{handler: 1 /* SIG_IGN */}, nil)
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the function", err)
	}
	if err := unix.Kill(os.Getpid(), unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	<-received // a signal that is lost hangs the test
}

// TestKeepSignalsKeepsGos: what Go itself starts to handle meanwhile stays handled.
func TestKeepSignalsKeepsGos(t *testing.T) {
	signal.Ignore(unix.SIGUSR2)
	received := make(chan os.Signal, 1)
	_ = keepSignals(func() error {
		signal.Notify(received, unix.SIGUSR2)
		return nil
	})
	defer signal.Reset(unix.SIGUSR2)
	if err := unix.Kill(os.Getpid(), unix.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	<-received // a signal that is lost hangs the test
}
