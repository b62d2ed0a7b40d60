package simclr

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/goclr/goclr/backends"
	"github.com/goclr/goclr/pipeline"
	"github.com/goclr/goclr/simclr/safetensors"
)

// A run's directory, see FORMAT.md.
const (
	checkpointsDir = "checkpoints"
	stepPrefix     = "step-"
	latestLink     = "latest"
	weightsFile    = "weights.safetensors"
	momentumFile   = "momentum.safetensors"
	infoFile       = "run.json"
	metricsFile    = "metrics.jsonl"

	checkpointFormat = 1
)

// A Checkpoint is a run as it stood after a step.
type Checkpoint struct {
	Format   int               `json:"format"`
	Step     int               `json:"step"`  // steps done
	Steps    int               `json:"steps"` // steps of the whole schedule
	Config   Config            `json:"config"`
	Plan     pipeline.Plan     `json:"plan"`
	PlanHash string            `json:"plan_hash"`
	Backend  backends.Info     `json:"backend"`
	Settings map[string]string `json:"settings,omitempty"` // see Run.Settings

	dir string
}

// ErrNoCheckpoint says that a directory holds no run, or one without a checkpoint.
var ErrNoCheckpoint = errors.New("no checkpoint")

// ReadCheckpoint reads the description of a checkpoint: the latest of a run's directory, or the one whose directory it is. It
// reads no weights.
func ReadCheckpoint(dir string) (*Checkpoint, error) {
	at := dir
	data, err := os.ReadFile(filepath.Join(at, infoFile))
	if errors.Is(err, fs.ErrNotExist) {
		at = filepath.Join(dir, latestLink)
		data, err = os.ReadFile(filepath.Join(at, infoFile))
	}
	if errors.Is(err, fs.ErrNotExist) {
		if steps, err := checkpointSteps(dir); err == nil && len(steps) > 0 {
			return nil, fmt.Errorf("%s leads to no checkpoint; there are those of steps %v: %s", at, steps, relink(dir))
		}
		return nil, fmt.Errorf("%s: %w: name the directory that pretrain -out wrote", dir, ErrNoCheckpoint)
	}
	if err != nil {
		return nil, err
	}
	// The format comes first: a newer one may not parse as this one.
	var format struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &format); err != nil {
		return nil, fmt.Errorf("%s: not a checkpoint's description: %w; %s", filepath.Join(at, infoFile), err, relink(dir))
	}
	if format.Format != checkpointFormat {
		return nil, fmt.Errorf("%s is of format %d, this program reads %d: use the version of goclr that wrote it", filepath.Join(at, infoFile), format.Format, checkpointFormat)
	}
	c := &Checkpoint{dir: at}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(at, infoFile), err)
	}
	if err := c.Config.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(at, infoFile), err)
	}
	return c, nil
}

// relink tells how to take an earlier checkpoint of a run.
func relink(run string) string {
	return fmt.Sprintf("to take another one of %s, say: ln -sfn %s/%sN %s",
		filepath.Join(run, checkpointsDir), checkpointsDir, stepPrefix, filepath.Join(run, latestLink))
}

// Weights reads the encoder and head.
func (c *Checkpoint) Weights() (backends.Weights, error) { return c.tensors(weightsFile) }

// momentum reads what the optimiser carries from step to step.
func (c *Checkpoint) momentum() (backends.Weights, error) { return c.tensors(momentumFile) }

func (c *Checkpoint) tensors(name string) (backends.Weights, error) {
	w, err := safetensors.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		run := filepath.Dir(c.dir)
		if filepath.Base(run) == checkpointsDir {
			run = filepath.Dir(run)
		}
		return nil, fmt.Errorf("%w; %s", err, relink(run))
	}
	return w, nil
}

// save writes the checkpoint of a run into its directory, so that at any moment, whatever ends the process, the directory
// holds the last complete checkpoint and links that lead to it.
func (c *Checkpoint) save(run string, w backends.Weights) error {
	if name, bad := notFinite(w); bad {
		return fmt.Errorf("tensor %s is no longer finite: %w", name, errDiverged)
	}
	if err := c.put(run, w); err != nil {
		err = fmt.Errorf("checkpoint of step %d: %w", c.Step, explainFull(err))
		if c.Step > 0 {
			err = fmt.Errorf("%w; the checkpoint before is intact", err)
		}
		return err
	}
	return nil
}

// notFinite returns the name of a tensor that has an infinite value or one that is no number.
func notFinite(w backends.Weights) (string, bool) {
	for _, t := range w {
		for _, v := range t.Data {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return t.Name, true
			}
		}
	}
	return "", false
}

func (c *Checkpoint) put(run string, w backends.Weights) error {
	parent := filepath.Join(run, checkpointsDir)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	name := stepPrefix + strconv.Itoa(c.Step)
	tmp, err := os.MkdirTemp(parent, "."+name+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := c.write(tmp, w); err != nil {
		return err
	}
	final := filepath.Join(parent, name)
	if err := os.RemoveAll(final); err != nil { // left by a run that was resumed from an earlier step
		return err
	}
	if err := os.Rename(tmp, final); err != nil {
		return err
	}
	if err := syncDir(parent); err != nil {
		return err
	}
	if err := swapLink(filepath.Join(checkpointsDir, name), filepath.Join(run, latestLink)); err != nil {
		return err
	}
	if err := swapLink(filepath.Join(latestLink, weightsFile), filepath.Join(run, weightsFile)); err != nil {
		return err
	}
	return syncDir(run)
}

// explainFull says what to do about a full disk.
func explainFull(err error) error {
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) {
			return fmt.Errorf("%w: make room on the disk, then resume the run", err)
		}
	}
	return err
}

func (c *Checkpoint) write(dir string, w backends.Weights) error {
	if err := os.Chmod(dir, 0o755); err != nil { // temporary directories are private
		return err
	}
	var weights, momentum backends.Weights
	for _, t := range w {
		if strings.HasPrefix(t.Name, momentumPrefix) {
			momentum = append(momentum, t)
		} else {
			weights = append(weights, t)
		}
	}
	encode := func(w backends.Weights) func(io.Writer) error {
		return func(f io.Writer) error { return safetensors.Encode(f, w) }
	}
	if err := writeFile(filepath.Join(dir, weightsFile), encode(weights)); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, momentumFile), encode(momentum)); err != nil {
		return err
	}
	err := writeFile(filepath.Join(dir, infoFile), func(f io.Writer) error {
		e := json.NewEncoder(f)
		e.SetIndent("", "  ")
		return e.Encode(c)
	})
	if err != nil {
		return err
	}
	return syncDir(dir)
}

// prune removes all checkpoints but that of the given step and the keep-1 before it. Later ones were made before the run went
// back to an earlier step.
func prune(run string, step, keep int) error {
	steps, err := checkpointSteps(run)
	if err != nil {
		return err
	}
	slices.Reverse(steps)
	for _, s := range steps {
		if s <= step && keep > 0 {
			keep--
			continue
		}
		if err := os.RemoveAll(filepath.Join(run, checkpointsDir, stepPrefix+strconv.Itoa(s))); err != nil {
			return err
		}
	}
	return nil
}

// checkpointSteps returns the steps of a run's checkpoints, in order.
func checkpointSteps(run string) ([]int, error) {
	entries, err := os.ReadDir(filepath.Join(run, checkpointsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var steps []int
	for _, e := range entries {
		if n, ok := strings.CutPrefix(e.Name(), stepPrefix); ok {
			if step, err := strconv.Atoi(n); err == nil {
				steps = append(steps, step)
			}
		}
	}
	slices.Sort(steps)
	return steps, nil
}

// removeAbandoned removes what a killed process left half-written.
func removeAbandoned(run string) error {
	left, err := filepath.Glob(filepath.Join(run, checkpointsDir, "."+stepPrefix+"*"))
	if err != nil {
		return err
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// writeFile creates a file, lets write fill it, and returns when it is on the disk.
func writeFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b := bufio.NewWriterSize(f, 1<<20)
	if err := write(b); err != nil {
		return err
	}
	if err := b.Flush(); err != nil {
		return err
	}
	return f.Sync()
}

// swapLink makes link lead to target in one step.
func swapLink(target, link string) error {
	if old, err := os.Readlink(link); err == nil && old == target {
		return nil
	}
	tmp := link + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, link)
}

func syncDir(dir string) (err error) {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Sync()
}
