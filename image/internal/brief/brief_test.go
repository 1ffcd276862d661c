package brief

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestErrorIsShortAndPrintable(t *testing.T) {
	for text, want := range map[string]string{
		`plain "text" \ é`:          `plain "text" \ é`,
		"a\nb\x1b[2J\xff":           `a\nb\x1b[2J\xff`,
		strings.Repeat("x", 1<<20):  strings.Repeat("x", most) + "…",
		strings.Repeat("x", most):   strings.Repeat("x", most),
		strings.Repeat("\n", 1<<10): strings.Repeat(`\n`, most/2) + "…",
	} {
		if got := Error(errors.New(text)).Error(); got != want {
			t.Errorf("%.40q became %q", text, got)
		}
	}
	if !errors.Is(Error(io.EOF), io.EOF) {
		t.Error("the cause is lost")
	}
}
