package cli

import (
	"errors"
	"os"
	"runtime/pprof"
	"runtime/trace"
)

// profile is what the flags -cpuprofile and -trace, which every command has, ask for.
type profile struct{ cpu, trace string }

func (p *profile) addTo(f *Flags) {
	f.StringVar(&p.cpu, "cpuprofile", "", "write a CPU profile to this `file`, for go tool pprof")
	f.StringVar(&p.trace, "trace", "", "write an execution trace to this `file`, for go tool trace")
}

// ownFlags are those that every command has: about how it runs, not about what it does.
var ownFlags = []string{"cpuprofile", "trace"}

// stopProfiles ends what profile.start began and completes its files. Main calls it when the command has returned.
var stopProfiles = func() error { return nil }

// start begins what the flags ask for.
func (p *profile) start() error {
	for _, k := range []struct {
		flag, name string
		start      func(*os.File) error
		stop       func()
	}{
		{"cpuprofile", p.cpu, func(f *os.File) error { return pprof.StartCPUProfile(f) }, pprof.StopCPUProfile},
		{"trace", p.trace, func(f *os.File) error { return trace.Start(f) }, trace.Stop},
	} {
		if k.name == "" {
			continue
		}
		f, err := os.Create(k.name)
		if err == nil {
			err = k.start(f)
		}
		if err != nil {
			return Usagef("-%s: %v", k.flag, err)
		}
		before := stopProfiles
		stopProfiles = func() error {
			stopProfiles = before
			k.stop()
			return errors.Join(f.Close(), before())
		}
	}
	return nil
}
