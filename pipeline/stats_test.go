package pipeline_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goclr/goclr/pipeline"
)

// Time in this test is that of synctest, so that nothing but the sleeps takes any.
func TestStats(t *testing.T) {
	sleep := func(d time.Duration) pipeline.StageFunc {
		return func(*pipeline.Sample) error { time.Sleep(d); return nil }
	}
	for _, c := range []struct {
		name      string
		stage     time.Duration
		body      time.Duration
		substring string
	}{
		{"slow stage", 500 * time.Microsecond, 0, "Sleep is the bottleneck: "},
		{"slow consumer", 0, 5 * time.Millisecond, "the consumer is the bottleneck: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := mustNew(t, counting{200}, pipeline.Options{Batch: 8, Epochs: 1, Workers: 2}, unpack{Size: 2},
					pipeline.Pair(mirror{}, pipeline.Named("Sleep", sleep(c.stage))))
				if got := p.Stats().String(); got != "no batch has been made yet" {
					t.Errorf("before the start: %s", got)
				}
				for _, err := range p.Batches(context.Background(), 0) {
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(c.body)
				}
				s := p.Stats()
				if !strings.HasPrefix(s.String(), c.substring) {
					t.Errorf("%q does not begin with %q", s, c.substring)
				}
				if s.Batches != 25 || s.Samples != 200 || s.Bad != 0 || len(s.Stages) != 4 {
					t.Errorf("stats are %#v", s)
				}
				for i, want := range []struct {
					name  string
					count int64
				}{{"Source", 200}, {"unpack", 200}, {"mirror", 400}, {"Sleep", 400}} {
					if got := s.Stages[i]; got.Name != want.name || got.Count != want.count || got.Errors != 0 {
						t.Errorf("stage %d is %+v, want %+v", i, got, want)
					}
				}
				if busy := s.Stages[3].Busy; busy != 400*c.stage {
					t.Errorf("Sleep was busy for %v", busy)
				}
				if s.ConsumerBusy != 25*c.body || c.body > 0 && s.FeederWait == 0 {
					t.Errorf("consumer was busy for %v, feeder waited %v", s.ConsumerBusy, s.FeederWait)
				}
			})
		})
	}
}

func TestStatsCountErrors(t *testing.T) {
	src := broken{counting{100}, func(i int) bool { return i == 3 }}
	fail := pipeline.Named("Fail", pipeline.StageFunc(func(s *pipeline.Sample) error {
		if s.ID == 50 {
			return errInjected
		}
		return nil
	}))
	p := mustNew(t, src, pipeline.Options{Batch: 10, Epochs: 1, Ordered: true}, unpack{Size: 2}, fail)
	for _, err := range p.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
	}
	s := p.Stats()
	if s.Bad != 2 || s.Samples != 100 || s.Stages[0].Errors != 1 || s.Stages[2].Errors != 1 || s.Stages[0].Count != 102 {
		t.Errorf("stats are %#v", s)
	}
	if !strings.HasSuffix(s.String(), "; 2 bad samples were replaced") {
		t.Errorf("no word of the bad samples: %s", s)
	}
}
