package datasets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// A heldBucket counts its objects that are open, and calls a function when one is opened.
type heldBucket struct {
	memoryBucket
	held   *atomic.Int64
	opened func(name string)
}

type heldObject struct {
	Object
	held *atomic.Int64
}

func (b heldBucket) Open(ctx context.Context, name string) (Object, error) {
	b.opened(name)
	o, err := b.memoryBucket.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	b.held.Add(1)
	return &heldObject{o, b.held}, nil
}

func (o *heldObject) Close() error {
	o.held.Add(-1)
	return o.Object.Close()
}

// TestScanAll scans more archives than go at once, of more files than wait to be listed, and stops where one is bad or nobody waits any more.
func TestScanAll(t *testing.T) {
	const archives = 3 * atOnce
	content := memoryBucket{}
	var names []string
	var want strings.Builder
	for i := range archives {
		var list []picture
		for k := range 1 + i%2*2*mostWaiting {
			list = append(list, picture{key: fmt.Sprintf("%d/%d.jpg", i, k), bytes: "x"})
			fmt.Fprint(&want, list[k].key, " ")
		}
		name := fmt.Sprintf("%03d.tar", i)
		content[name] = tarBytes(t, list)
		names = append(names, name)
	}
	open := func(ctx context.Context, opened func(string)) (Dataset, *atomic.Int64, error) {
		held := new(atomic.Int64)
		d, err := openArchives(ctx, heldBucket{content, held, opened}, names, "", Options{TempDir: t.TempDir()})
		return d, held, err
	}
	d, held, err := open(t.Context(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if got := keysOf(pictures(t, d)); got != strings.TrimSpace(want.String()) || held.Load() != 0 {
		t.Errorf("%d archives of the store are open, of which there are copies; keys %.100s", held.Load(), got)
	}
	if err := d.Close(); err != nil || held.Load() != 0 {
		t.Errorf("closed: %d archives are open, %v", held.Load(), err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	_, held, err = open(ctx, func(name string) {
		if name == names[archives/2] {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || held.Load() != 0 {
		t.Errorf("cancelled: %d archives are open, %v", held.Load(), err)
	}

	bad := names[archives/2]
	content[bad] = content[bad][:100]
	var last atomic.Value
	_, held, err = open(t.Context(), func(name string) { last.Store(name) })
	if err == nil || !strings.HasPrefix(err.Error(), bad+": ") || held.Load() != 0 {
		t.Errorf("damaged: %d archives are open, %v", held.Load(), err)
	}
	if at := slices.Index(names, last.Load().(string)); at >= archives/2+atOnce {
		t.Errorf("archive %d was opened after one was found damaged", at)
	}
}
