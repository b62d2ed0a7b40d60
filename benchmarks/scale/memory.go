package main

import (
	"bufio"
	"fmt"
	"os"
	"time"
)

// A peak is the most memory that a process had, in KiB: its own, and pages of files that are mapped, which the system may take back.
type peak struct{ own, mapped int }

// watch samples the memory of a process until done is closed.
func watch(pid int, done <-chan struct{}) peak {
	var p peak
	ticks := time.NewTicker(100 * time.Millisecond)
	defer ticks.Stop()
	for {
		p.sample(pid)
		select {
		case <-ticks.C:
		case <-done:
			return p
		}
	}
}

func (p *peak) sample(pid int) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return // it has ended
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kib int
		if n, _ := fmt.Sscanf(lines.Text(), "RssAnon: %d kB", &kib); n == 1 {
			p.own = max(p.own, kib)
		}
		if n, _ := fmt.Sscanf(lines.Text(), "RssFile: %d kB", &kib); n == 1 {
			p.mapped = max(p.mapped, kib)
		}
	}
}
