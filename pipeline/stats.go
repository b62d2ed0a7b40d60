package pipeline

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// counter counts the work of one pass, of all workers together.
type counter struct {
	name                string
	count, errors, busy atomic.Int64
}

// runStats are the counts of a pipeline beside those of its steps. Times are nanoseconds.
type runStats struct {
	batches, samples, bad                  atomic.Int64
	feederWait, consumerWait, consumerBusy atomic.Int64
	workers, prefetch                      atomic.Int64
}

func (r *runStats) setKnobs(k knobs) {
	r.workers.Store(int64(k.workers))
	r.prefetch.Store(int64(k.prefetch))
}

// Stats say what a pipeline did so far, in all its Batches loops together.
type Stats struct {
	Batches int64        // yielded
	Samples int64        // good samples, in batches that were complete
	Bad     int64        // bad samples, each replaced by a substitute
	Stages  []StageStats // the Source first, then the stages in order, those that work together as one; Pair counts each view

	Workers, Prefetch int // of the latest loop, now: those of the Options, or what Options.Tune made of them

	FeederWait   time.Duration // Prefetch batches were ready or in work: the pipeline waited for the consumer
	ConsumerWait time.Duration // the loop over Batches waited for a batch
	ConsumerBusy time.Duration // the loop body ran
}

// StageStats say what one stage did, or several that work together, see Fuser.
type StageStats struct {
	Name   string        // for example "Decode" or "RandomResizedCrop+Flip"
	Count  int64         // calls, one a view inside Pair
	Errors int64         // calls that ended with an error or panic
	Busy   time.Duration // of all workers together
}

// Stats returns a snapshot; it may be called while the pipeline runs.
func (p *Pipeline) Stats() Stats {
	r := &p.stats
	s := Stats{
		Batches: r.batches.Load(), Samples: r.samples.Load(), Bad: r.bad.Load(),
		Workers: int(r.workers.Load()), Prefetch: int(r.prefetch.Load()),
		FeederWait:   time.Duration(r.feederWait.Load()),
		ConsumerWait: time.Duration(r.consumerWait.Load()),
		ConsumerBusy: time.Duration(r.consumerBusy.Load()),
	}
	seen := map[*counter]bool{}
	add := func(c *counter) {
		if !seen[c] {
			seen[c] = true
			s.Stages = append(s.Stages, StageStats{c.name, c.count.Load(), c.errors.Load(), time.Duration(c.busy.Load())})
		}
	}
	add(p.reading.counter)
	for _, c := range p.chains.all() {
		for i := range c.passes {
			add(c.passes[i].counter)
		}
	}
	return s
}

// consumerBound is the share of its time that a consumer may wait for batches and still be called the bottleneck.
const consumerBound = 0.1

// String names the bottleneck in one sentence, and the workers and the batches ahead that it was found with.
func (s Stats) String() string {
	if s.Batches == 0 {
		return "no batch has been made yet"
	}
	var b strings.Builder
	waited := share(s.ConsumerWait, s.ConsumerWait+s.ConsumerBusy)
	if waited < consumerBound {
		fmt.Fprintf(&b, "the consumer is the bottleneck: it waited %.0f%% of its time for batches", 100*waited)
	} else {
		var slowest StageStats
		var busy time.Duration
		for _, t := range s.Stages {
			busy += t.Busy
			if t.Busy >= slowest.Busy {
				slowest = t
			}
		}
		fmt.Fprintf(&b, "%s is the bottleneck: %.0f%% of the workers' time, %v a call; the consumer waited %.0f%% of its time",
			slowest.Name, 100*share(slowest.Busy, busy), mean(slowest.Busy, slowest.Count), 100*waited)
	}
	fmt.Fprintf(&b, "; %d workers, %d batches ahead", s.Workers, s.Prefetch)
	if s.Bad > 0 {
		fmt.Fprintf(&b, "; %d bad samples were replaced", s.Bad)
	}
	return b.String()
}

func share(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

func mean(total time.Duration, n int64) time.Duration {
	if n == 0 {
		return 0
	}
	return (total / time.Duration(n)).Round(100 * time.Nanosecond)
}
