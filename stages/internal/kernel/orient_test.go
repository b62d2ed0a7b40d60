package kernel

import "testing"

func TestOrientations(t *testing.T) {
	// a b c
	// d e f
	src := []byte("aaabbbcccdddeeefff")
	for i, want := range []string{"abcdef", "cbafed", "fedcba", "defabc", "adbecf", "daebfc", "fcebda", "cfbead"} {
		dst := make([]byte, len(src))
		Orient(dst, src, 3, 2, i+1)
		got := ""
		for ; len(dst) > 0; dst = dst[3:] {
			got += string(dst[0])
		}
		if got != want {
			t.Errorf("orientation %d gives %s, want %s", i+1, got, want)
		}
	}
}
