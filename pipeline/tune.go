package pipeline

import "time"

// knobs are what a run may change as it goes: no byte depends on them.
type knobs struct{ workers, prefetch int }

// An observation says how a run went for a while with the same knobs.
type observation struct {
	samples         int
	elapsed, waited time.Duration // the consumer waited for batches, of the time that passed
}

// A tuner raises one knob after the other while the consumer waits for batches, and takes back what did not help: more workers
// help where they wait for the source, more prefetch where batches take unequal times. Each trial that fails doubles the time to
// the next.
type tuner struct {
	most      knobs
	now, good knobs    // in use, and to go back to
	rate      float64  // samples/s with good
	trying    bool     // now is a trial
	pause     int      // observations to let pass before the next trial
	failed    int      // trials since one helped
	knob      knobName // to raise next
}

type knobName int

const (
	workersKnob knobName = iota
	prefetchKnob
)

// A consumer that waits less is fed well, and a trial must gain more to be kept than measurements differ by themselves.
const (
	fedWell = 0.02
	gain    = 1.03
)

// Workers beyond eight a CPU would wait for the same source; batches ahead take memory.
const (
	workersPerCPU = 8
	mostPrefetch  = 8
)

func newTuner(start knobs, cpus int) *tuner {
	most := knobs{max(start.workers, workersPerCPU*cpus), max(start.prefetch, mostPrefetch)}
	return &tuner{most: most, now: start, good: start}
}

// next returns the knobs to go on with.
func (t *tuner) next(o observation) knobs {
	rate := float64(o.samples) / o.elapsed.Seconds()
	if t.trying {
		t.trying = false
		if rate < gain*t.rate {
			t.now = t.good
			t.pause = 1 << min(t.failed, 6)
			t.failed++
			t.knob = 1 - t.knob
			return t.now
		}
		t.failed = 0
	}
	t.good, t.rate = t.now, rate
	if t.pause > 0 {
		t.pause--
		return t.now
	}
	if o.waited.Seconds() < fedWell*o.elapsed.Seconds() {
		return t.now
	}
	t.trying = t.raise()
	if !t.trying { // one knob is at its most, and it is the other's turn now
		t.trying = t.raise()
	}
	return t.now
}

// raise raises the knob whose turn it is, or makes it the other's turn where that is at its most.
func (t *tuner) raise() bool {
	knob, most := &t.now.workers, t.most.workers
	if t.knob == prefetchKnob {
		knob, most = &t.now.prefetch, t.most.prefetch
	}
	if *knob >= most {
		t.knob = 1 - t.knob
		return false
	}
	*knob = min(most, *knob+max(1, *knob/2))
	return true
}

// tuning is the part of a loop that tunes it: what it has observed since its last decision.
type tuning struct {
	tuner   *tuner // nil without Options.Tune
	takes   pace
	began   time.Time
	batches int
	samples int
	waited  time.Duration
	owed    int // slots to take back as batches are used up
}

// pace is what an observation takes: some batches, to see past those made ahead, and some time, to see past the noise.
type pace struct {
	batches int
	time    time.Duration
}

var observationTakes = pace{16, 2 * time.Second}

// tune notes a batch and, once it has seen enough, turns the knobs. The consumer's goroutine calls it between batches.
func (l *loop) tune(samples int) {
	t := &l.tuning
	if t.tuner == nil {
		return
	}
	t.batches++
	t.samples += samples
	elapsed := time.Since(t.began)
	if t.batches < t.takes.batches || elapsed < t.takes.time {
		return
	}
	was := t.tuner.now
	l.setKnobs(was, t.tuner.next(observation{t.samples, elapsed, t.waited}))
	t.began, t.batches, t.samples, t.waited = time.Now(), 0, 0, 0
}

// setKnobs hires or retires workers, and gives out slots or takes them back.
func (l *loop) setKnobs(was, now knobs) {
	for range now.workers - was.workers {
		l.hire()
	}
	for range was.workers - now.workers {
		l.retire <- struct{}{}
	}
	l.tuning.owed += was.prefetch - now.prefetch
	for ; l.tuning.owed < 0; l.tuning.owed++ {
		<-l.slots
	}
	l.p.stats.setKnobs(now)
}

// freeSlot lets the feeder make one more batch, unless there are to be fewer.
func (l *loop) freeSlot() {
	if l.tuning.owed > 0 {
		l.tuning.owed--
		return
	}
	<-l.slots
}
