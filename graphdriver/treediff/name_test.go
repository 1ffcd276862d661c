package treediff

import (
	"bytes"
	"testing"
)

func FuzzCompareNames(f *testing.F) {
	for _, s := range [][2]string{{"", ""}, {"a", "a\x00"}, {"abcd", "abce"}, {"abcdefg", "abcdefgh"}, {"abcdefgh", "abcdefgi"}, {"abcdefgh1", "abcdefgh"}, {"\xff\xfe", "\xff"}, {"abc", "abd"}} {
		f.Add([]byte(s[0]), []byte(s[1]))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		sign := func(n int) int { return min(1, max(-1, n)) }
		// Prefixes bring every pair of lengths to every pair of bytes.
		for i := range a[:min(len(a), 20)] {
			for _, pair := range [][2][]byte{{a[i:], b}, {a, a[:i]}, {b, a[:i]}} {
				x, y := pair[0], pair[1]
				if got, want := sign(compareNames(x, y)), bytes.Compare(x, y); got != want || equalNames(x, y) != (want == 0) {
					t.Fatalf("%q %q: %d, want %d", x, y, got, want)
				}
			}
		}
		if got, want := sign(compareNames(a, b)), bytes.Compare(a, b); got != want {
			t.Fatalf("%q %q: %d, want %d", a, b, got, want)
		}
	})
}
