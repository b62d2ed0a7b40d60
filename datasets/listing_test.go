package datasets

import (
	"fmt"
	"strings"
	"testing"
)

// TestListingInFile lists members through memory and through temporary files, which must make no difference.
func TestListingInFile(t *testing.T) {
	open := func(limit int, numeric bool) *listing {
		l := newLister(Options{TempDir: t.TempDir()})
		l.keys.limit, l.records.limit, l.numeric = limit, limit, numeric
		for i := range 1000 {
			m := member{key: fmt.Sprint("k", i), class: fmt.Sprint(i % 12), split: []string{"train", "test"}[i%2], object: i % 3, offset: int64(i) << 33, size: int64(i)}
			if err := l.add(m); err != nil {
				t.Fatal(err)
			}
		}
		x, err := l.finish(t.Context(), "test")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := x.close(); err != nil {
				t.Error(err)
			}
		})
		return x
	}
	const inMemory = 1 << 20
	for limit, inFile := range map[int]bool{inMemory: false, 100: true} {
		x := open(limit, true)
		if (x.keys.file != nil) != inFile || x.Len() != 500 {
			t.Fatalf("limit %d: %d members, in a file %v", limit, x.Len(), x.keys.file != nil)
		}
		for i := range x.Len() {
			k := 2*i + 1
			m, label := x.at(i)
			want := member{key: fmt.Sprint("k", k), class: fmt.Sprint(k % 12), object: k % 3, offset: int64(k) << 33, size: int64(k)}
			if m != want || int(label) != k%12 {
				t.Fatalf("limit %d, member %d: %+v with label %d, want %+v", limit, i, m, label, want)
			}
		}
		if got := strings.Join(x.Classes(), " "); got != "0 1 2 3 4 5 6 7 8 9 10 11" {
			t.Errorf("classes %s", got)
		}
	}
	if got := strings.Join(open(inMemory, false).Classes(), " "); got != "0 1 10 11 2 3 4 5 6 7 8 9" {
		t.Errorf("classes %s, want them sorted as words", got)
	}
}

// TestNumericClasses has the numbers of classes be labels, those that no image has included.
func TestNumericClasses(t *testing.T) {
	for _, c := range []struct{ have, want string }{
		{"0 2", "0 1 2"},
		{"5", "0 1 2 3 4 5"},
		{"01 2", "01 2"},
		{"-1 2", "-1 2"},
		{"cat 2", "2 cat"},
	} {
		got, err := sortClasses(set(strings.Fields(c.have)), true)
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, %v; want %s", c.have, got, err, c.want)
		}
	}
	if _, err := sortClasses(set([]string{"99999999"}), true); err == nil || !strings.Contains(err.Error(), "99999999") {
		t.Errorf("error %v", err)
	}
}
