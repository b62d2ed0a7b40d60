package cli

import (
	"fmt"
	"strings"
	"time"
)

// A Meter turns counts into the words of a progress line: a bar, the rate and the time left.
type Meter struct {
	unit  string
	total int
	first int
	start time.Time
	now   func() time.Time
}

// NewMeter starts the clock on a job of total things called unit ("images"), of which first were done before: they count
// as done, not as speed.
func NewMeter(unit string, first, total int) *Meter {
	m := &Meter{unit: unit, total: total, first: first, now: time.Now}
	m.start = m.now()
	return m
}

// SetTotal changes the size of the job, where it was not known at the start.
func (m *Meter) SetTotal(total int) { m.total = total }

// Text describes the job when done things of it are done, for example
//
//	[=======>            ]  38 %  19000/50000 images  8431/s  4s left
func (m *Meter) Text(done int) string {
	percent := 100
	if m.total > 0 {
		percent = 100 * done / m.total
	}
	rate := "?"
	if r := m.PerSecond(int64(done - m.first)); r > 0 {
		rate = FormatRate(r)
	}
	return fmt.Sprintf("%s %3d %%  %d/%d %s  %s/s  %s left", Bar(done, m.total, 20), percent, done, m.total, m.unit,
		rate, FormatDuration(m.Left(done)))
}

// tooEarly is how long a rate is unknown: the first of a thousand things is done at once, and tells nothing of the others.
const tooEarly = 10 * time.Millisecond

// PerSecond is the rate of n things, or bytes, since the start; 0 while it is too early to tell.
func (m *Meter) PerSecond(n int64) float64 {
	elapsed := m.Elapsed()
	if elapsed < tooEarly {
		return 0
	}
	return float64(n) / elapsed.Seconds()
}

// Left is the time that the rest takes at the present rate, or -1 while there is none to tell from.
func (m *Meter) Left(done int) time.Duration {
	if done >= m.total {
		return 0
	}
	r := m.PerSecond(int64(done - m.first))
	if r <= 0 {
		return -1
	}
	return time.Duration(float64(m.total-done) / r * float64(time.Second))
}

// Elapsed is the time since the start.
func (m *Meter) Elapsed() time.Duration { return m.now().Sub(m.start) }

// Bar draws done of total as width characters between brackets.
func Bar(done, total, width int) string {
	full := width
	if total > 0 && done < total {
		full = max(0, done) * width / total
	}
	if full >= width {
		return "[" + strings.Repeat("=", width) + "]"
	}
	return "[" + strings.Repeat("=", full) + ">" + strings.Repeat(" ", width-full-1) + "]"
}

// FormatDuration writes a duration in its two largest units: "4s", "2m10s", "3h05m". A negative one is unknown: "?".
func FormatDuration(d time.Duration) string {
	if d < 0 {
		return "?"
	}
	s := int64(d.Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	}
	return fmt.Sprintf("%dh%02dm", s/3600, s%3600/60)
}

// FormatRate writes a number with three digits or more, never in scientific notation: "0.52", "14.3", "8431".
func FormatRate(r float64) string {
	switch {
	case r < 10:
		return fmt.Sprintf("%.2f", r)
	case r < 100:
		return fmt.Sprintf("%.1f", r)
	}
	return fmt.Sprintf("%.0f", r)
}
