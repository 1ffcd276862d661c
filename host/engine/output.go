package engine

import (
	"bytes"
	"strings"
)

// maxLine is where a line of the guest's output is cut in two.
const maxLine = 4 << 10

// lines turns what a guest prints into log lines of the call that runs.
type lines struct {
	in    *instance
	level uint32
	buf   []byte
	// first is the line that best says why a guest gave up: that of a panic,
	// or else the first.
	first string
}

func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, rest, whole := bytes.Cut(p, []byte{'\n'})
		if room := maxLine - len(l.buf); len(line) > room {
			line, rest, whole = p[:room], p[room:], true
		}
		l.buf = append(l.buf, line...)
		if whole {
			l.flush()
		}
		p = rest
	}
	return n, nil
}

func (l *lines) flush() {
	if len(l.buf) == 0 {
		return
	}
	if l.first == "" || isReason(string(l.buf)) && !isReason(l.first) {
		l.first = string(l.buf[:min(len(l.buf), 300)])
	}
	if l.in.session != nil {
		l.in.session.Log(l.level, l.buf)
	}
	l.buf = l.buf[:0]
}

func (l *lines) reset() { l.buf, l.first = l.buf[:0], "" }

func isReason(s string) bool {
	return strings.HasPrefix(s, "panic: ") || strings.HasPrefix(s, "fatal error: ")
}
