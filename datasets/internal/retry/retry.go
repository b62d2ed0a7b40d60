// Package retry calls what may fail for a while, such as a read from a store over the network, until it succeeds.
//
// Between attempts there is a pause of random length ("full jitter"), at most Policy.Base at first and twice as long each time
// up to Policy.Cap: clients that failed together do not come back together.
package retry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"
)

// A Policy says how often to try and how long to pause. The zero value is what suits a cloud store: 6 attempts, and at most 25 s
// of pauses in all.
type Policy struct {
	// Attempts is the number of calls, the first one included. The default is 6.
	Attempts int
	// Base is the longest pause after the first attempt; it doubles with each further one. The default is 1 s.
	Base time.Duration
	// Cap is the longest pause ever. The default is 10 s.
	Cap time.Duration
	// Rand returns a random number in [0,n). The default is rand.Int64N: pauses change nothing that is read.
	Rand func(n int64) int64
}

func (p Policy) withDefaults() Policy {
	if p.Attempts <= 0 {
		p.Attempts = 6
	}
	if p.Base <= 0 {
		p.Base = time.Second
	}
	if p.Cap <= 0 {
		p.Cap = 10 * time.Second
	}
	if p.Rand == nil {
		p.Rand = rand.Int64N
	}
	return p
}

// pause is how long to wait after a number of attempts.
func (p Policy) pause(attempts int) time.Duration {
	longest := min(p.Base, p.Cap)
	for i := 1; i < attempts && longest < p.Cap; i++ {
		longest += min(longest, p.Cap-longest) // doubled, without overflow
	}
	return time.Duration(p.Rand(int64(longest)))
}

type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// Permanent marks an error that another attempt would not mend, such as a refused password. Its text stays, and it wraps err;
// of nil it makes nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

// isPermanent reports whether trying again is useless. A deadline that passed is not among these reasons: Do knows its own context,
// so it was that of a single attempt, as clients have them.
func isPermanent(err error) bool {
	var marked permanentError
	return errors.As(err, &marked) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, context.Canceled)
}

// Do calls try until it returns nil, the attempts of the policy are used up, ctx ends, or the error is one that will not go
// away: marked by Permanent, or wrapping fs.ErrNotExist or context.Canceled. The error it returns wraps that of the last attempt, and
// where ctx has ended that of ctx too; after more than one attempt it says how many there were, and over what time. Nothing of Do
// remains when it returns.
func Do(ctx context.Context, p Policy, try func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p = p.withDefaults()
	start := time.Now()
	for n := 1; ; n++ {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil && !isPermanent(err) && n < p.Attempts && Sleep(ctx, p.pause(n)) == nil {
			continue
		}
		if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
			err = fmt.Errorf("%w; the last error was: %w", ended, err)
		}
		if n > 1 {
			err = fmt.Errorf("%d attempts in %s: %w", n, time.Since(start).Round(time.Millisecond), err)
		}
		return err
	}
}

// Sleep waits for d, or until ctx ends, whose error it returns then.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return ctx.Err()
	}
}
