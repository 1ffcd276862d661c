// Package brief keeps errors that quote a document short and printable. It
// may import nothing of this module.
package brief

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// most is how much of an error's text is shown, in bytes.
const most = 300

// Error is err with a text of one line that is not long: what parsers say of
// a hostile document may hold all of it.
func Error(err error) error { return &short{err} }

type short struct{ err error }

func (s *short) Error() string {
	var b strings.Builder
	for text := s.err.Error(); text != ""; {
		if b.Len() >= most {
			b.WriteString("…")
			break
		}
		r, n := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			quoted := strconv.Quote(text[:n])
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteRune(r)
		}
		text = text[n:]
	}
	return b.String()
}

func (s *short) Unwrap() error { return s.err }
