package main

import (
	"fmt"
	"strings"
	"sync"
)

const heading = `| fault | times | what must hold | crashes | hangs | images lost | altered | bad ones told | what else came out |
|---|--:|---|--:|--:|--:|--:|--:|---|
`

// A row of the table counts what came of a fault. It is used by many goroutines at once.
type row struct {
	fault, must string

	mu                            sync.Mutex
	times                         int
	crashes, hangs, lost, altered int
	bad, told                     int // images that were made bad, and of those the ones that were told
	others                        []string
	count                         map[string]int // of others
	wrong                         []string       // what came out other than it must
}

func newRow(fault, must string) *row { return &row{fault: fault, must: must, count: map[string]int{}} }

// add counts something else that came out, in the order in which it is named first.
func (r *row) add(what string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.count[what]; !known {
		r.others = append(r.others, what)
	}
	r.count[what] += n
}

// tried counts a fault that was brought about.
func (r *row) tried() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times++
}

// compare counts what came of the images of one case, besides what went wrong with it.
func (r *row) compare(d difference) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost += d.lost
	r.altered += d.altered
	r.bad += d.bad
	r.told += d.told
	if d.lost+d.altered > 0 || d.told != d.bad {
		r.wrong = append(r.wrong, fmt.Sprintf("%d images lost, %d altered, %d of %d bad ones told", d.lost, d.altered, d.told, d.bad))
	}
}

// fail notes what came out other than it must.
func (r *row) fail(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

// ended counts a crash or a hang of a process, and reports whether it was neither.
func (r *row) ended(what string, e ending) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case e.hung:
		r.hangs++
		r.wrong = append(r.wrong, what+": nothing more came, it was ended")
	case e.crashed():
		r.crashes++
		r.wrong = append(r.wrong, fmt.Sprintf("%s: crashed: %s", what, e.stderr))
	default:
		return true
	}
	return false
}

// String is the row in Markdown.
func (r *row) String() string {
	var others []string
	for _, what := range r.others {
		others = append(others, fmt.Sprintf("%d %s", r.count[what], what))
	}
	if len(r.wrong) > 0 {
		others = append(others, fmt.Sprintf("**%d times other than it must**", len(r.wrong)))
	}
	told := fmt.Sprintf("%d of %d", r.told, r.bad)
	if r.bad == 0 {
		told = ""
	}
	return fmt.Sprintf("| %s | %d | %s | %d | %d | %d | %d | %s | %s |", r.fault, r.times, r.must, r.crashes, r.hangs, r.lost, r.altered, told,
		strings.Join(others, ", "))
}
