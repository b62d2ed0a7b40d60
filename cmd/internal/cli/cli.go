// Package cli holds what the commands of goclr share: signals, exit codes, flags that name their nearest relative when
// mistyped, and one progress line.
//
// A command is one function and one line of main:
//
//	func main() { cli.Main("ingest", run) }
//
//	func run(ctx context.Context, args []string) error {
//		f := cli.NewFlags("ingest", help)
//		in := f.String("in", "", "where the images come `from`")
//		if err := f.Parse(args); err != nil {
//			return err
//		}
//		...
//	}
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
)

// Exit codes of every command.
const (
	ExitOK          = 0
	ExitFailure     = 1   // the work failed
	ExitUsage       = 2   // the command line was wrong; nothing was done
	ExitInterrupted = 130 // stopped by SIGINT or SIGTERM, as shells report it
)

// A UsageError says that the command line is wrong. Main answers it with exit code 2.
type UsageError struct{ Msg string }

// Error returns the message.
func (e *UsageError) Error() string { return e.Msg }

// Usagef returns a UsageError.
func Usagef(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// An InterruptedError says how to go on after a signal. Main answers it, and any error that a signal causes, with exit code 130.
type InterruptedError struct{ Msg string }

// Error returns the message.
func (e *InterruptedError) Error() string { return e.Msg }

// Main runs a command and ends the process. The context is cancelled by the first SIGINT or SIGTERM, so that run can put
// things in order and return; a second signal ends the process at once. An error is printed as "name: error" on standard
// error and becomes an exit code; a panic is printed with its stack as an internal error, exit code 1.
func Main(name string, run func(ctx context.Context, args []string) error) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1) // see pipeline.Options.Workers
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // hands a second signal back to the system's default, which kills
	os.Exit(exitCode(ctx, name, os.Args[1:], os.Stderr, run))
}

func exitCode(ctx context.Context, name string, args []string, stderr io.Writer,
	run func(context.Context, []string) error) int {
	err := errors.Join(protect(ctx, args, run), stopProfiles())
	var usage *UsageError
	var crash *panicError
	var interrupted *InterruptedError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return ExitOK
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "%s: %v\nRun \"%s -help\" for the flags and examples.\n", name, err, name)
		return ExitUsage
	case errors.As(err, &crash):
		fmt.Fprintf(stderr, "%s: internal error: %v\nThis is a bug in goclr: please report it with these lines.\n\n%s",
			name, crash.value, crash.stack)
		return ExitFailure
	case errors.As(err, &interrupted):
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return ExitInterrupted
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintf(stderr, "%s: interrupted\n", name)
		return ExitInterrupted
	}
	fmt.Fprintf(stderr, "%s: %v\n", name, err)
	return ExitFailure
}

// protect calls run and turns a panic of its goroutine into an error.
func protect(ctx context.Context, args []string, run func(context.Context, []string) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
	}()
	return run(ctx, args)
}

type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprint("panic: ", e.value) }
