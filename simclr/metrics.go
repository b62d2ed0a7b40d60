package simclr

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A Record is one line of metrics.jsonl: a step, or an evaluation after it.
type Record struct {
	Step  int     `json:"step"`  // steps done, this one included
	Epoch float64 `json:"epoch"` // epochs done

	// Of a step.
	Loss         *float32 `json:"loss,omitempty"`
	Accuracy     *float32 `json:"accuracy,omitempty"` // contrastive accuracy, or of Finetune the share with the right class
	Spread       *float32 `json:"spread,omitempty"`   // see graph.Graph.Spread
	LearningRate *float32 `json:"lr,omitempty"`
	Images       float64  `json:"images_per_s,omitempty"`
	Wait         *float64 `json:"wait,omitempty"` // share of the step's time spent waiting for data

	// Of an evaluation.
	Evaluation map[string]float64 `json:"evaluation,omitempty"`
}

// metricsLog appends records to a run's metrics.jsonl, each at once: people watch the file. While it is open, the run belongs to
// this process.
type metricsLog struct {
	f         *os.File
	evaluated int // step of the last evaluation, -1 if there is none
}

// openMetrics opens the log of a run for what follows the given step: lines of later steps, which the run will take again, are
// removed, and so is a line cut short by the end of a process.
func openMetrics(run string, step int) (*metricsLog, error) {
	path := filepath.Join(run, metricsFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	// A file system that knows no locks is no reason to refuse the run.
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("%s: another process is training this run; wait for it, or stop it", run), f.Close())
	}
	end, evaluated, err := endOfStep(f, step)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return &metricsLog{f, evaluated}, nil
}

// endOfStep returns the offset behind the last line of the given step, and the step of the last evaluation before it.
func endOfStep(r io.Reader, step int) (end int64, evaluated int, err error) {
	evaluated = -1
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return end, evaluated, nil
		}
		if err != nil {
			return 0, 0, err
		}
		var rec Record
		if json.Unmarshal(line, &rec) != nil || rec.Step > step {
			return end, evaluated, nil
		}
		if rec.Evaluation != nil {
			evaluated = rec.Step
		}
		end += int64(len(line))
	}
}

func (l *metricsLog) append(r Record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err = l.f.Write(append(line, '\n')); err != nil {
		return explainFull(err)
	}
	if r.Evaluation != nil {
		l.evaluated = r.Step
	}
	return nil
}

func (l *metricsLog) close() error { return l.f.Close() }

// ReadMetrics returns the records of a run, in order.
func ReadMetrics(run string) (records []Record, err error) {
	f, err := os.Open(filepath.Join(run, metricsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no %s: name the directory that pretrain -out wrote", run, metricsFile)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for d := json.NewDecoder(f); ; {
		var r Record
		err := d.Decode(&r)
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", f.Name(), len(records)+1, err)
		}
		records = append(records, r)
	}
}
