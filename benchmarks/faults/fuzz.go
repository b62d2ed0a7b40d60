package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A target is a fuzz test.
type target struct{ dir, name string }

// fuzzDeadline is for one target: with what it needs compiled anew, on a slow machine.
const fuzzDeadline = 15 * time.Minute

var (
	fuzzTest = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)
	fuzzRuns = regexp.MustCompile(`execs: (\d+)`)
)

// targets finds the fuzz tests of the data path.
func targets() (list []target, err error) {
	for _, root := range []string{"stages", "datasets", "cmd/ingest"} {
		err := filepath.WalkDir(root, func(name string, e os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(name, "_test.go") {
				return err
			}
			text, err := os.ReadFile(name)
			for _, found := range fuzzTest.FindAllSubmatch(text, -1) {
				list = append(list, target{filepath.Dir(name), string(found[1])})
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("%w: run it from the root of the repository", err)
		}
	}
	return list, nil
}

// fuzz has go test -fuzz run each target so many times.
func fuzz(ctx context.Context, b *bench) (rows []*row, err error) {
	list, err := targets()
	if err != nil {
		return nil, err
	}
	for _, t := range list {
		r := newRow(fmt.Sprintf("`go test -fuzz` of %s in %s", t.name, t.dir), "no failure, no crash, no hang")
		begin := time.Now()
		p, err := start(ctx, "go", "test", "-tags", "nocloud", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", fmt.Sprint(b.mutations, "x"), "-fuzzminimizetime", "100x",
			"./"+t.dir)
		if err != nil {
			return nil, err
		}
		e := p.wait(fuzzDeadline)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if runs := fuzzRuns.FindAllStringSubmatch(e.stdout, -1); len(runs) > 0 {
			r.times, _ = strconv.Atoi(runs[len(runs)-1][1]) // of digits
		}
		if strings.Contains(e.stdout, "hung or terminated") || strings.Contains(e.stdout, "panic:") {
			r.crashes++
		}
		if r.ended(t.name, e) && (e.code != 0 || r.times < b.mutations) {
			r.fail("status %d: %s%s", e.code, e.stdout, e.stderr)
		}
		rows = append(rows, r)
		fmt.Fprintf(os.Stderr, "%s: %s\n", t.name, time.Since(begin).Round(time.Second))
	}
	return rows, nil
}
