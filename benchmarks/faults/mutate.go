package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// mutationMemory is how many MiB a process may take for its inputs.
const mutationMemory = 512

// mutate returns other bytes than these: some cut off, some bits turned, some set to zero, some taken out, some put in at another place.
func mutate(random *rand.Rand, whole []byte) []byte {
	for {
		b := bytes.Clone(whole)
		from := random.IntN(len(b))
		to := from + 1 + random.IntN(min(len(b)-from, 1<<random.IntN(14)))
		switch random.IntN(6) {
		case 0:
			b = b[:from]
		case 1, 2:
			for range 1 << random.IntN(7) {
				bit := random.IntN(8 * len(b))
				b[bit/8] ^= 1 << (bit % 8)
			}
		case 3:
			clear(b[from:to])
		case 4:
			b = slices.Delete(b, from, to)
		case 5:
			b = slices.Insert(b, random.IntN(len(b)+1), whole[from:to]...)
		}
		if !bytes.Equal(b, whole) {
			return b
		}
	}
}

// mutateInputs has inputs of each format changed, and counts how they are taken.
func mutateInputs(ctx context.Context, b *bench) ([]*row, error) {
	rows := make([]*row, len(forms))
	var work sync.WaitGroup
	turn := make(chan struct{}, runtime.NumCPU())
	failed := make([]error, len(forms))
	for i, f := range forms {
		rows[i] = newRow("mutated "+f.name, f.must(b.patience))
		work.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			failed[i] = b.mutateForm(ctx, f, rows[i])
		})
	}
	work.Wait()
	for _, err := range failed {
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// mutateForm has processes take mutated inputs, one after another; where one crashes or hangs, the next begins behind it.
func (b *bench) mutateForm(ctx context.Context, f *form, r *row) error {
	memory := int64(0)
	for at := 0; at < b.mutations; {
		done, peak, err := b.mutateFrom(ctx, f, r, at)
		if err != nil {
			return err
		}
		memory = max(memory, peak)
		at = done
	}
	r.times = b.mutations
	r.add("MiB of memory at most", int(memory))
	if memory > mutationMemory {
		r.fail("it took %d MiB of memory, more than %d", memory, mutationMemory)
	}
	return nil
}

// mutateFrom has one process take inputs from number at on, and returns which is next, and the memory that it took in MiB.
func (b *bench) mutateFrom(ctx context.Context, f *form, r *row, at int) (next int, peak int64, err error) {
	dir, err := os.MkdirTemp(b.work, "mutated-")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	said, saying, err := os.Pipe()
	if err != nil {
		return 0, 0, err
	}
	defer said.Close()
	p, err := startSaying(ctx, saying, dir, b.self, childWord, "mutate", f.name, strconv.FormatUint(b.seed, 10), strconv.Itoa(at), strconv.Itoa(b.mutations))
	saying.Close()
	if err != nil {
		return 0, 0, err
	}
	hung := time.AfterFunc(b.patience, func() { _ = p.Process.Kill() }) // it may have ended at this moment
	next = at
	for lines := bufio.NewScanner(said); lines.Scan(); next++ {
		hung.Reset(b.patience)
		kind, detail, _ := strings.Cut(lines.Text(), ": ")
		f.judge(r, next, kind, detail)
	}
	_ = p.Wait() // ProcessState tells
	e := ending{code: p.ProcessState.ExitCode(), stderr: p.err.String(), hung: !hung.Stop() && next < b.mutations}
	if usage, ok := p.ProcessState.SysUsage().(*syscall.Rusage); ok {
		peak = usage.Maxrss >> 10
	}
	if next == b.mutations || ctx.Err() != nil {
		return next, peak, ctx.Err()
	}
	if r.ended(fmt.Sprintf("input %d", next), e) {
		return 0, 0, fmt.Errorf("%s, input %d: %s", f.name, next, e.stderr)
	}
	return next + 1, peak, nil
}

// startSaying is start with standard output to a file, in a folder.
func startSaying(ctx context.Context, out *os.File, dir, name string, args ...string) (*process, error) {
	p := command(ctx, name, args...)
	p.Stdout = out
	p.Env = append(p.Env, "TMPDIR="+dir)
	return p, p.Start()
}

// mutateChild takes the inputs of a format from one number to another, and says of each what came of it.
func mutateChild(ctx context.Context, name, seed, first, end string) error {
	var from, to int
	var drawn uint64
	if _, err := fmt.Sscan(seed+" "+first+" "+end, &drawn, &from, &to); err != nil {
		return err
	}
	f := formOf(name)
	if f == nil {
		return fmt.Errorf("no such format: %s", name)
	}
	in, err := f.open(ctx, os.TempDir())
	if err != nil {
		return err
	}
	intact := make([]content, len(in.files))
	for i, whole := range in.files {
		if intact[i] = in.take(ctx, i, whole); intact[i].err != nil {
			return fmt.Errorf("intact input %d: %w", i, intact[i].err)
		}
	}
	b := &bench{seed: drawn}
	for n := from; n < to; n++ {
		random := b.random(fmt.Sprint(name, " ", n))
		i := random.IntN(len(in.files))
		fmt.Println(in.take(ctx, i, mutate(random, in.files[i])).against(intact[i]))
	}
	return nil
}
