//go:build linux

package cuda

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/goclr/goclr/backends/gorgonia/internal/device"
)

// mail is two parts of an inbox, of which the first does not fit the alignment.
func mail(n byte) [][]byte {
	return [][]byte{bytes.Repeat([]byte{n}, 301), bytes.Repeat([]byte{n + 100}, 8)}
}

// TestInbox puts what comes next before what was put is taken, with copies from the host as late and as early as streams and events
// allow.
func TestInbox(t *testing.T) {
	for early := range 2 {
		t.Run(fmt.Sprintf("early %d", early), func(t *testing.T) {
			g, l := standIn(t)
			l.Set("early", early)
			b, err := g.inbox([]int{301, 8})
			if err != nil {
				t.Fatal(err)
			}
			const times = 5
			at := allocated(t, g, times*512)
			var to [times][]unsafe.Pointer
			for i := range byte(times) {
				parts := mail(i)
				if err := b.Put(parts); err != nil {
					t.Fatal(err)
				}
				clear(parts[0]) // the source may be changed at once
				to[i] = []unsafe.Pointer{unsafe.Add(at, 512*int(i)), unsafe.Add(at, 512*int(i)+320)}
				if err := b.Take(to[i]); err != nil {
					t.Fatal(err)
				}
			}
			if log := strings.Join(l.Log(), "\n"); strings.Contains(log, "Synchronize") {
				t.Errorf("the host waited for a copy:\n%s", log)
			}
			for i := range byte(times) {
				for part, want := range mail(i) {
					got := make([]byte, len(want))
					if err := g.download(got, to[i][part]); err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(got, want) {
						t.Errorf("part %d of what was put at %d came as that of %d", part, i, got[0]-want[0]+i)
					}
				}
			}
			if err := b.Free(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestInboxesShareBuffers fills two inboxes while the copy of the first is still to be done, although the GPU has done all else.
func TestInboxesShareBuffers(t *testing.T) {
	g, _ := standIn(t)
	at := allocated(t, g, 512)
	var boxes [2]*inbox
	for i := range boxes {
		var err error
		if boxes[i], err = g.inbox([]int{8}); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(boxes[i].Put(mail(byte(i))[1:]), g.wait()); err != nil {
			t.Fatal(err)
		}
	}
	for i, b := range boxes {
		got := make([]byte, 8)
		if err := errors.Join(b.Take([]unsafe.Pointer{at}), g.download(got, at), b.Free()); err != nil {
			t.Fatal(err)
		}
		if want := mail(byte(i))[1]; !bytes.Equal(got, want) {
			t.Errorf("inbox %d holds %d, want %d", i, got, want)
		}
	}
}

// TestInboxErrors refuses memory, and each copy in turn.
func TestInboxErrors(t *testing.T) {
	g, l := standIn(t)
	at := allocated(t, g, 512)
	l.Set("fail_allocation", 1)
	_, err := g.inbox([]int{3 << 20, 8})
	if memory := (*device.MemoryError)(nil); !errors.As(err, &memory) || memory.Asked < 3<<20 {
		t.Errorf("without memory the error is %v", err)
	}
	l.Set("fail_allocation", -1)
	b, err := g.inbox([]int{301, 8})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Free(); err != nil {
			t.Error(err)
		}
	}()
	use := func() error {
		if err := b.Put(mail(7)); err != nil {
			return err
		}
		return b.Take([]unsafe.Pointer{at, unsafe.Add(at, 320)})
	}
	for k := range 4 {
		l.Set("fail_copy", k+1)
		if err := use(); err == nil || !strings.Contains(err.Error(), "copying") || !strings.Contains(err.Error(), "CUDA_ERROR_UNKNOWN") {
			t.Errorf("copy %d fails, and the error is %v", k, err)
		}
	}
	l.Set("fail_copy", -1)
	if err := use(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 8)
	if err := g.download(got, unsafe.Add(at, 320)); err != nil || got[7] != 107 {
		t.Errorf("after errors an inbox holds %d (%v)", got, err)
	}
}
