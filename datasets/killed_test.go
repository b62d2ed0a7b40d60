package datasets

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goclr/goclr/pipeline"
)

// killedIngestEnv makes the test binary an ingest that waits to be killed, see TestKilledIngest.
const killedIngestEnv = "GOCLR_TEST_KILLED_INGEST"

// A waitingSource says on standard output that it has been read so many times, and stays there.
type waitingSource struct {
	Dataset
	left *atomic.Int32
}

func (w waitingSource) Read(ctx context.Context, i int, s *pipeline.Sample) error {
	if w.left.Add(-1) < 0 {
		fmt.Println("waiting")
		select {}
	}
	return w.Dataset.Read(ctx, i, s)
}

func (w waitingSource) describe(i int, s *pipeline.Sample) error {
	return w.Dataset.(describer).describe(i, s)
}

func runKilledIngest(spec string) {
	at, out := 0, ""
	if _, err := fmt.Sscan(spec, &at, &out); err != nil {
		panic(err)
	}
	src, err := Open(context.Background(), "synthetic:n=400,size=8", Options{})
	if err != nil {
		panic(err)
	}
	left := new(atomic.Int32)
	left.Store(int32(at))
	_, err = Ingest(context.Background(), waitingSource{src, left}, out, IngestOptions{Check: accept, Workers: 1,
		ShardBytes: 50 << 10, Progress: func(p IngestProgress) {
			if p.Done == p.Total {
				fmt.Println("waiting") // at the end: everything is taken, nothing committed
				time.Sleep(time.Hour)
			}
		}})
	panic(err)
}

// TestKilledIngest kills ingests of another process with SIGKILL: there must be nothing that opens, and the next ingest must go on to the
// same bytes, reading only images of shards that were not complete.
func TestKilledIngest(t *testing.T) {
	const images = 400 // all of which are samples of the size
	src := openSpec(t, "synthetic:n=400,size=8")
	o := IngestOptions{Check: accept, ShardBytes: 50 << 10}
	want := filepath.Join(t.TempDir(), "shards")
	sum, err := Ingest(t.Context(), src, want, o)
	if err != nil {
		t.Fatal(err)
	}
	kept := map[int]bool{}
	for _, at := range []int{0, 399, 400, 460, 520, 580, 640, 700, 760, 799, 10_000} {
		dir := filepath.Join(t.TempDir(), "shards")
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", killedIngestEnv, at, dir))
		stdout, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := stdout.Read(make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		child.Wait()
		if !missing(dir) {
			t.Errorf("killed at %d: the folder is there", at)
		}
		wantError(t, dir, "no such file")
		if d, err := Open(t.Context(), dir+".partial", Options{}); err == nil {
			d.Close()
			t.Errorf("killed at %d: the unfinished folder opens", at)
		}
		reads := new(atomic.Int32)
		reads.Store(math.MaxInt32)
		again, err := Ingest(t.Context(), waitingSource{src, reads}, dir, o)
		if err != nil {
			t.Errorf("after a kill at %d: %v", at, err)
		} else if !sameTree(tree(t, dir), tree(t, want)) {
			t.Errorf("after a kill at %d: other bytes", at)
		}
		kept[again.Kept] = true
		missing := sum.Shards - again.Kept
		n := math.MaxInt32 - int(reads.Load())
		if at < images { // it had not settled on the number of shards
			n -= images
		}
		if n > images*missing/sum.Shards+40 || n < images*missing/sum.Shards-40 {
			t.Errorf("after a kill at %d, %d of %d shards were kept and %d images read", at, again.Kept, sum.Shards, n)
		}
	}
	if len(kept) < 3 || !kept[0] {
		t.Errorf("of %d shards these numbers were kept: %v", sum.Shards, kept)
	}
}
