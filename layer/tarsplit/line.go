package tarsplit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"

	"github.com/vbatts/tar-split/tar/storage"
)

// The parts of a line, in the order that the fields of storage.Entry have.
const (
	keyType     = `{"type":`
	keyName     = `,"name":`
	keyNameRaw  = `,"name_raw":`
	keySize     = `,"size":`
	keyPayload  = `,"payload":`
	keyPosition = `,"position":`
	null        = "null"
)

// scanner takes a line apart. Whatever it does not expect makes it fail, and
// then all that it has found means nothing.
type scanner struct {
	rest   []byte
	failed bool
}

// parseLine reads a line as a Writer writes it, with its newline, into e,
// whose Payload it may use as the place for the new one. It tells whether it
// could.
func parseLine(line []byte, e *storage.Entry) bool {
	s := scanner{rest: line}
	spare := e.Payload[:0]
	*e = storage.Entry{}
	s.want(keyType)
	e.Type = storage.Type(s.number())
	if s.has(keyName) {
		e.Name = s.text()
	}
	if s.has(keyNameRaw) {
		e.NameRaw = s.decode(nil)
	}
	if s.has(keySize) {
		e.Size = s.number()
	}
	s.want(keyPayload)
	if !s.has(null) {
		e.Payload = s.decode(spare)
	}
	s.want(keyPosition)
	e.Position = int(s.number())
	s.want("}\n")
	return !s.failed && len(s.rest) == 0
}

func (s *scanner) has(prefix string) bool {
	if len(s.rest) < len(prefix) || string(s.rest[:len(prefix)]) != prefix {
		return false
	}
	s.rest = s.rest[len(prefix):]
	return true
}

func (s *scanner) want(prefix string) {
	if !s.has(prefix) {
		s.failed = true
	}
}

// maxDigits keeps a number well within 64 bits. Position is an int, which on
// a machine of 32 bits is checked by encoding/json.
const maxDigits = 9 + 9*(^uint(0)>>63)

func (s *scanner) number() (n int64) {
	i := 0
	for ; i < len(s.rest) && s.rest[i]-'0' <= 9; i++ {
		if i == int(maxDigits) {
			break
		}
		n = n*10 + int64(s.rest[i]-'0')
	}
	if i == 0 || i > 1 && s.rest[0] == '0' {
		s.failed = true
	}
	s.rest = s.rest[i:]
	return n
}

// quoted takes a string with its quotes. plain tells that between them it
// means just itself.
func (s *scanner) quoted() (q []byte, plain bool) {
	if len(s.rest) == 0 || s.rest[0] != '"' {
		s.failed = true
		return nil, false
	}
	plain = true
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			q, s.rest = s.rest[:i+1], s.rest[i+1:]
			return q, plain
		case c == '\\':
			plain = false
			i++
		case c < ' ' || c >= utf8.RuneSelf:
			plain = false
		}
	}
	s.failed = true
	return nil, false
}

func (s *scanner) text() (t string) {
	q, plain := s.quoted()
	if plain {
		return string(q[1 : len(q)-1])
	}
	if s.failed || json.Unmarshal(q, &t) != nil {
		s.failed = true
	}
	return t
}

// decode takes base64, which has no characters to be escaped, into a slice
// that is not nil.
func (s *scanner) decode(spare []byte) []byte {
	if len(s.rest) == 0 || s.rest[0] != '"' {
		s.failed = true
		return nil
	}
	end := bytes.IndexByte(s.rest[1:], '"')
	if end < 0 {
		s.failed = true
		return nil
	}
	enc := s.rest[1 : 1+end]
	s.rest = s.rest[end+2:]
	if bytes.IndexByte(enc, '\r') >= 0 { // which base64 passes over and JSON does not
		s.failed = true
	}
	if spare == nil {
		spare = []byte{}
	}
	out, err := base64.StdEncoding.AppendDecode(spare, enc)
	if err != nil {
		s.failed = true
	}
	return out
}
