package main

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain makes the test binary the processes that take mutated inputs.
func TestMain(m *testing.M) {
	forms = append(forms, bad...)
	if len(os.Args) > 1 && os.Args[1] == childWord {
		if err := child(os.Args[2:]); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

// bad are formats whose readers do what none may.
var bad = []*form{
	{"crashes", false, false, reader(func(b []byte) content { panic(len(b)) })},
	{"hangs", false, false, reader(func([]byte) content { select {} })},
	{"alters", true, true, reader(func(b []byte) content { return content{images: map[string][32]byte{"x": {b[0], byte(len(b))}}} })},
	{"loses", true, true, reader(func([]byte) content { return content{} })},
	{"refuses", true, true, reader(func([]byte) content { return content{err: errors.New("no")} })},
}

// reader is a format that reads whole inputs well, and others in its own way.
func reader(read func([]byte) content) func(context.Context, string) (inputs, error) {
	whole := bytes.Repeat([]byte("abc"), 40)
	return func(context.Context, string) (inputs, error) {
		return inputs{[][]byte{whole}, func(_ context.Context, _ int, b []byte) content {
			if !bytes.Equal(b, whole) {
				return read(b)
			}
			return content{images: map[string][32]byte{"x": {1}}}
		}}, nil
	}
}

func mutated(t *testing.T, name string, n int, patience time.Duration) *row {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{work: t.TempDir(), self: self, seed: 1, mutations: n, patience: patience}
	r := newRow(name, "")
	if err := b.mutateForm(t.Context(), formOf(name), r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestNoticed: what a reader of mutated inputs may not do is counted, and processes go on behind it.
func TestNoticed(t *testing.T) {
	for name, want := range map[string]string{
		"crashes": "| 3 | 0 | 0 | 0 |", "hangs": "| 0 | 3 | 0 | 0 |", "alters": "| 0 | 0 | 0 | 3 |", "loses": "| 0 | 0 | 3 | 0 |", "refuses": "| 0 | 0 | 0 | 0 |",
	} {
		patience := time.Hour // longer than any machine takes
		if name == "hangs" {
			patience = 2 * time.Second
		}
		r := mutated(t, name, 3, patience)
		if !strings.Contains(r.String(), want) || r.times != 3 || (len(r.wrong) == 0) != (name == "refuses") {
			t.Errorf("%s: %s %q", name, r, r.wrong)
		}
	}
}

// TestMutations takes some mutated inputs of each format.
func TestMutations(t *testing.T) {
	t.Chdir("../..")
	for _, f := range forms[:len(forms)-len(bad)] {
		r := mutated(t, f.name, 40, time.Hour)
		n := 0
		for _, what := range []string{refused, unchanged, told, another, missing} {
			n += r.count[what]
		}
		if n != 40 || len(r.wrong) > 0 || r.count[unchanged] == 40 {
			t.Errorf("%s %q", r, r.wrong)
		}
	}
}

// TestMutate makes other inputs for each number, and the same for the same one.
func TestMutate(t *testing.T) {
	whole := bytes.Repeat([]byte{0, 1, 2, 250}, 100)
	seen := map[string]bool{}
	for n := range uint64(500) {
		b := mutate(rand.New(rand.NewPCG(1, n)), whole)
		if bytes.Equal(b, whole) || !bytes.Equal(b, mutate(rand.New(rand.NewPCG(1, n)), whole)) {
			t.Errorf("input %d is the intact one, or another the second time", n)
		}
		seen[string(b)] = true
	}
	if len(seen) < 400 || len(whole) != 400 || whole[3] != 250 {
		t.Errorf("%d inputs of 500", len(seen))
	}
}

// TestDifference counts images that are lost, altered and told.
func TestDifference(t *testing.T) {
	must := outcome{map[string][32]byte{"a": {1}, "b": {2}, "c": {3}}, map[string]string{"x": "", "y": ""}}
	got := outcome{map[string][32]byte{"a": {1}, "b": {9}, "x": {4}}, map[string]string{"y": "why"}}
	if d := got.from(must); d != (difference{lost: 1, altered: 1, bad: 2, told: 1}) {
		t.Errorf("%+v", d)
	}
}

// TestTargets finds the fuzz tests.
func TestTargets(t *testing.T) {
	t.Chdir("../..")
	list, err := targets()
	found := map[target]bool{}
	for _, x := range list {
		found[x] = true
	}
	if err != nil || !found[target{"datasets/internal/parquet", "FuzzRead"}] || !found[target{"stages", "FuzzCheck"}] {
		t.Errorf("%v, %v", list, err)
	}
}
