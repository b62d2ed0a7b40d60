package datasets

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
)

// TestTornQuarantine kills writers in the middle of a write: at every 19th byte of a record batch that overwrites the footer.
func TestTornQuarantine(t *testing.T) {
	list := badImages(12)
	first, all := writeQuarantine(t, list[:8]), writeQuarantine(t, list)
	before, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(all)
	if err != nil {
		t.Fatal(err)
	}
	end := len(before) - len(quarantineTail(make([]block, 2)))
	if !bytes.Equal(before[:end], after[:end]) || bytes.Equal(before[end:], after[end:len(before)]) {
		t.Fatal("the third batch does not begin where the footer was")
	}
	for at := end; at <= len(after); at += 19 {
		torn := append(slices.Clone(after[:at]), before[min(at, len(before)):]...)
		name := writeTemp(t, "", QuarantineName, torn)
		got := quarantined(t, name)
		if len(got) < 8 || !reflect.DeepEqual(got, list[:len(got)]) {
			t.Fatalf("torn at byte %d: %+v", at, got)
		}
		q, err := OpenQuarantine(name)
		if err != nil {
			t.Fatalf("torn at byte %d: %v", at, err)
		}
		if found := byArrow(t, name); len(found) != len(got) {
			t.Errorf("torn at byte %d: opened, it holds %d images for Arrow, want %d", at, len(found), len(got))
		}
		addAll(t, q, list)
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		if found := byArrow(t, name); !reflect.DeepEqual(found, list) {
			t.Errorf("torn at byte %d, then completed: %+v", at, found)
		}
	}
}

// killedQuarantineEnv makes the test binary a writer of bad images that waits to be killed, see TestKilledQuarantine.
const killedQuarantineEnv = "GOCLR_TEST_KILLED_QUARANTINE"

// runKilledQuarantine says on standard output after each flush how many images are on disk.
func runKilledQuarantine(name string) {
	q, err := OpenQuarantine(name)
	if err != nil {
		panic(err)
	}
	for id := uint64(q.Len()); ; id++ {
		_, err := q.Add(BadImage{ID: id, Key: "k", Bytes: make([]byte, 100<<10)})
		if err = errors.Join(err, q.Flush()); err != nil {
			panic(err)
		}
		fmt.Println(id + 1)
	}
}

// TestKilledQuarantine kills one writer after the other with SIGKILL: what each has flushed must be there, and the next goes on.
func TestKilledQuarantine(t *testing.T) {
	name := filepath.Join(t.TempDir(), QuarantineName)
	r := rand.New(rand.NewPCG(1, 2))
	flushed := 0
	for round := range 8 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), killedQuarantineEnv+"="+name)
		stdout, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		for range 1 + r.IntN(20) {
			if _, err := fmt.Fscanln(stdout, &flushed); err != nil {
				t.Fatal(err)
			}
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for { // what it had said before it died
			if _, err := fmt.Fscanln(stdout, &flushed); err != nil {
				break
			}
		}
		child.Wait()
		if got := len(quarantined(t, name)); got < flushed || got > flushed+1 {
			t.Errorf("round %d: %d images, %d were flushed", round, got, flushed)
		}
	}
}

// TestQuarantineOnFullDisk runs out of room at each of its writes: the error says what to do, and what was flushed stays whole.
func TestQuarantineOnFullDisk(t *testing.T) {
	list := badImages(9)
	for room := 0; room < 5000; room += 97 {
		name := filepath.Join(t.TempDir(), QuarantineName)
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		left := &diskRoom{bytes: room}
		q := newQuarantine(name, func(name string) (outputFile, error) {
			f, err := createFile(name)
			return fullDisk{left, f}, err
		}, mem)
		flushed := 0
		var err error
		for i, b := range list {
			if _, err = q.Add(b); err != nil {
				t.Fatal(err)
			}
			if err = q.Flush(); err != nil {
				break
			}
			flushed = i + 1
		}
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "make room") || !strings.Contains(err.Error(), name) {
			t.Errorf("room for %d bytes: error %v", room, err)
		}
		if _, again := q.Add(list[0]); again == nil {
			t.Errorf("room for %d bytes: it takes more after an error", room)
		}
		q.Close()
		mem.AssertSize(t, 0)
		if !missing(name + ".partial") {
			t.Errorf("room for %d bytes: a temporary file is left", room)
		}
		if missing(name) {
			if flushed > 0 {
				t.Errorf("room for %d bytes: no file", room)
			}
			continue
		}
		if got := quarantined(t, name); !slices.EqualFunc(got, list[:flushed], func(a, b BadImage) bool { return a.ID == b.ID }) {
			t.Errorf("room for %d bytes: %d images, %d were flushed", room, len(got), flushed)
		}
	}
}

// TestDamagedQuarantine flips a bit in every fifth byte of a file, and cuts it there: reading may fail, but must neither crash nor end late.
func TestDamagedQuarantine(t *testing.T) {
	whole, err := os.ReadFile(writeQuarantine(t, badImages(5)))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), QuarantineName)
	try := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
		n := 0
		for bad, err := range ReadQuarantine(name) {
			if n++; n > len(whole) {
				t.Fatal("it goes on and on")
			}
			_ = bytes.Count(bad.Bytes, []byte{1})
			_ = err
		}
	}
	for at := 0; at < len(whole); at += 5 {
		b := slices.Clone(whole)
		b[at] ^= 1 << (at % 8)
		try(b)
		try(whole[:at])
	}
}

// TestShortValidity: fewer bits for nulls than rows are a damage, not a crash.
func TestShortValidity(t *testing.T) {
	name := filepath.Join(t.TempDir(), QuarantineName)
	q, err := OpenQuarantine(name)
	if err != nil {
		t.Fatal(err)
	}
	addAll(t, q, badImages(30))
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f := flat{b: b}
	batch := f.root(f.field(f.root(int64(len(quarantineHead()))+8), 2))
	buffers, n := f.vector(batch, 2)
	if n != 16 || f.i64(buffers+16*13+8) < 4 {
		t.Fatalf("the last but two of %d buffers are no bits for 30 rows", n)
	}
	copy(b[buffers+16*13+8:], []byte{3, 0, 0, 0, 0, 0, 0, 0})
	if _, _, err := parseArrow(b, quarantineColumns); err == nil {
		t.Error("it is taken for whole")
	}
}

func FuzzReadQuarantine(f *testing.F) {
	whole, err := os.ReadFile(writeQuarantine(f, badImages(9)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-20])
	f.Add(emptyQuarantine())
	name := filepath.Join(f.TempDir(), QuarantineName)
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
		for bad := range ReadQuarantine(name) {
			_ = bytes.Count(bad.Bytes, []byte{1})
		}
	})
}
