package engine

import (
	"fmt"
	"slices"
)

// Sections of the binary format by number.
const (
	secType, secImport, secFunction, secGlobal = 1, 2, 3, 6
	secExport, secStart, secElement, secCode   = 7, 8, 9, 10
)

// inOrder is the order in which sections come.
var inOrder = [...]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11}

// bodies are a module's sections by number; one that is missing is nil.
type bodies [len(kinds)][]byte

// cut cuts a module into its sections.
func cut(wasm []byte) (s bodies, err error) {
	at := -1
	for r := (&section{b: wasm[8:]}); len(r.b) > 0; {
		id := int(r.byte())
		body := r.bytes(r.u32())
		if r.err != nil {
			return s, r.err
		}
		place := slices.Index(inOrder[:], id)
		if place <= at {
			return s, fmt.Errorf("its section order is wrong: one of kind %d comes too late or twice", id)
		}
		at = place
		s[id] = body[:len(body):len(body)]
	}
	return s, nil
}

// join is the module that begins with head.
func (s *bodies) join(head []byte) []byte {
	n := len(head)
	for _, b := range s {
		n += len(b) + 6
	}
	out := append(make([]byte, 0, n), head...)
	for _, id := range inOrder {
		if s[id] != nil {
			out = append(append(append(out, byte(id)), uleb(uint32(len(s[id])))...), s[id]...)
		}
	}
	return out
}

// count is how many items a section has.
func (s *bodies) count(id int) uint32 { return (&section{b: s[id]}).u32() }

// add puts more items at the end of a section.
func (s *bodies) add(id int, items ...[]byte) {
	r := section{b: s[id]}
	n := r.u32() // 0 of one that is missing
	s[id] = slices.Concat(append([][]byte{uleb(n + uint32(len(items))), r.b}, items...)...)
}
