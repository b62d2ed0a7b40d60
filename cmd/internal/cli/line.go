package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// How often a Line shows a new text: often enough to look alive, rarely enough to keep a log readable.
const (
	terminalEvery = 100 * time.Millisecond
	logEvery      = 10 * time.Second
)

// A Line shows the state of a long job. On a terminal it is one line, redrawn in place; anywhere else each text that is
// shown becomes a plain line of its own, at most one in ten seconds. Safe for concurrent use.
type Line struct {
	mu       sync.Mutex
	w        io.Writer
	width    func() int // columns of the terminal; nil when w is none
	now      func() time.Time
	every    time.Duration
	last     time.Time
	text     string // the newest text
	shown    bool   // text is what w shows
	onScreen bool   // the cursor stands behind a text, without a line feed
}

// NewLine returns a Line that writes to w, usually os.Stderr.
func NewLine(w io.Writer) *Line {
	l := &Line{w: w, now: time.Now, every: logEvery}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		l.every = terminalEvery
		l.width = func() int {
			if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 1 {
				return w
			}
			return 80
		}
	}
	return l
}

// Terminal reports whether the line is redrawn in place.
func (l *Line) Terminal() bool { return l.width != nil }

// Show makes text, which holds no line feed, the state of the job. Texts that follow one another too fast are left out,
// so it may be called for every step.
func (l *Line) Show(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text, l.shown = text, false
	if now := l.now(); now.Sub(l.last) >= l.every {
		l.last = now
		l.draw()
	}
}

// Printf writes a lasting line above the state.
func (l *Line) Printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
	fmt.Fprintln(l.w, strings.TrimSuffix(fmt.Sprintf(format, args...), "\n"))
	if l.width != nil && l.text != "" {
		l.draw()
	}
}

// Close shows the last text, if it was left out, and ends the line. Nothing may be shown after it.
func (l *Line) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text != "" && !l.shown {
		l.draw()
	}
	if l.onScreen {
		fmt.Fprintln(l.w)
		l.onScreen = false
	}
}

func (l *Line) draw() {
	if l.width == nil {
		fmt.Fprintln(l.w, l.text)
	} else {
		fmt.Fprintf(l.w, "\r%s\x1b[K", clip(l.text, l.width()-1))
		l.onScreen = true
	}
	l.shown = true
}

func (l *Line) erase() {
	if l.onScreen {
		fmt.Fprint(l.w, "\r\x1b[K")
		l.onScreen = false
	}
}

// clip cuts text to n columns, so that it never wraps and leaves a trail of lines.
func clip(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n])
}
