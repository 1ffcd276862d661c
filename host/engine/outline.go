package engine

import (
	"errors"
	"fmt"
	"slices"
)

// The compiler makes room for as much as a module says that it has before it
// reads it: items of a section, local variables, lengths of names. What cannot
// be had ends the process, which no caller could prevent; so the outline of a
// module is read before, and its numbers held against what it brings.

const (
	maxTable     = 1 << 20 // functions that tables may hold, together
	maxLocals    = 50_000  // variables of one function
	maxAllLocals = 1 << 23
	maxParams    = 1000
)

// kinds are the sections of the binary format, by number, with the most items
// that are taken: far more than compilers write.
var kinds = [...]struct {
	name  string
	most  uint32
	items func(r *outline)
}{
	0: {name: "custom"},
	1: {"type", 1 << 16, (*outline).typ}, 2: {"import", 1 << 10, nil}, 3: {"function", 1 << 19, nil},
	4: {"table", 1 << 4, (*outline).table}, 5: {"memory", 1, nil}, 6: {"global", 1 << 16, nil},
	7: {"export", 1 << 16, (*outline).export}, 8: {name: "start"}, 9: {"element", 1 << 16, (*outline).element},
	10: {"code", 1 << 19, (*outline).code}, 11: {"data", 1 << 16, (*outline).data}, 12: {name: "data count"},
}

// outline reads one section after the other.
type outline struct {
	section
	tables, locals uint64
	// bounded is the table section with a maximum for each.
	bounded []byte
}

var (
	errCut  = errors.New("it is cut short, or says that it has more than it brings")
	errLong = errors.New("it is longer than what it has")
	errType = errors.New("a type that is not known here")
)

// plainType tells the value types that are written in one byte: numbers, vectors,
// and references to functions and to what is the host's.
func plainType(t byte) bool {
	switch t {
	case 0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f:
		return true
	}
	return false
}

// checkOutline refuses a module that says it has more than it brings, or more
// of something than a driver needs. It returns what is to be compiled: tables,
// which grow in memory that is not the guest's, get a maximum, and custom
// sections, which are about a module and not part of it, are left out.
func checkOutline(wasm []byte) ([]byte, error) {
	out := append(make([]byte, 0, len(wasm)+64), wasm[:8]...)
	o := &outline{}
	for r := (&section{b: wasm[8:]}); len(r.b) > 0; {
		id := r.byte()
		body := r.bytes(r.u32())
		if r.err != nil {
			return nil, errors.New("a section is cut short")
		}
		if int(id) >= len(kinds) {
			return nil, fmt.Errorf("it has a section of kind %d", id)
		}
		if id == 0 {
			continue
		}
		o.section = section{b: body}
		if err := o.read(id); err != nil {
			return nil, fmt.Errorf("its %s section: %w", kinds[id].name, err)
		}
		if id == 4 {
			body = o.bounded
		}
		out = append(append(append(out, id), uleb(uint32(len(body)))...), body...)
	}
	return out, nil
}

func (r *outline) read(id byte) error {
	kind := kinds[id]
	if kind.most == 0 {
		return nil
	}
	n := r.u32()
	if r.err != nil || uint64(n) > uint64(len(r.b)) {
		return errCut
	}
	if n > kind.most {
		return fmt.Errorf("%d items; at most %d are taken", n, kind.most)
	}
	if id == 4 {
		r.bounded = uleb(n)
	}
	if kind.items == nil {
		return nil
	}
	for ; n > 0 && r.err == nil; n-- {
		kind.items(r)
	}
	if errors.Is(r.err, errShort) {
		return errCut
	}
	if r.err == nil && len(r.b) > 0 { // and would be an item as soon as one is added
		return errLong
	}
	return r.err
}

func (r *outline) refuse(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *outline) typ() {
	if form := r.byte(); form != 0x60 {
		r.refuse("a type of form %#x", form)
	}
	for range 2 { // parameters and results
		n := r.u32()
		if n > maxParams {
			r.refuse("a function of %d parameters or results", n)
		}
		for _, t := range r.bytes(n) {
			r.valueType(t)
		}
	}
}

// valueType refuses a type that takes more than its byte: what follows would be
// the type to the compiler, and the next thing here.
func (r *outline) valueType(t byte) {
	if !plainType(t) {
		r.refuse("%w: %#x", errType, t)
	}
}

// table notes a table with its maximum.
func (r *outline) table() {
	kind, flags := r.byte(), r.byte()
	least, most := r.u32(), uint32(maxTable)
	if flags == 1 {
		most = min(r.u32(), maxTable)
	}
	if kind != 0x70 && kind != 0x6f || flags > 1 {
		r.refuse("a table of kind %#x, flags %#x", kind, flags)
	}
	if r.tables += uint64(least); r.tables > maxTable {
		r.refuse("tables of %d functions; at most %d are taken", r.tables, maxTable)
	}
	r.bounded = slices.Concat(r.bounded, []byte{kind, 1}, uleb(least), uleb(most))
}

func (r *outline) export() {
	r.bytes(r.u32())
	r.byte()
	r.u32()
}

func (r *outline) element() {
	form := r.u32()
	if form > 7 {
		r.refuse("an element of form %d", form)
	}
	if form&1 == 0 {
		if form&2 != 0 {
			r.u32() // the table
		}
		r.constant()
	}
	if form&3 != 0 {
		if kind := r.byte(); kind != 0 && kind != 0x70 && kind != 0x6f {
			r.refuse("an element of kind %#x", kind)
		}
	}
	n := r.u32()
	if uint64(n) > uint64(len(r.b)) {
		r.refuse("%w", errCut)
	}
	for ; n > 0 && r.err == nil; n-- {
		if form&4 == 0 {
			r.u32()
		} else {
			r.constant()
		}
	}
}

func (r *outline) code() {
	body := section{b: r.bytes(r.u32())}
	sum := uint64(0)
	for n := body.u32(); n > 0 && body.err == nil; n-- {
		sum += uint64(body.u32())
		if t := body.byte(); body.err == nil {
			r.valueType(t)
		}
	}
	if body.err != nil {
		r.refuse("%w", errCut)
	}
	if r.locals += sum; sum > maxLocals || r.locals > maxAllLocals {
		r.refuse("a function of %d variables, of all functions %d; at most %d and %d are taken", sum, r.locals, maxLocals, maxAllLocals)
	}
}

func (r *outline) data() {
	form := r.u32()
	if form > 2 {
		r.refuse("data of form %d", form)
	}
	if form == 2 {
		r.u32() // the memory
	}
	if form != 1 {
		r.constant()
	}
	r.bytes(r.u32())
}

// constant passes over an expression that gives one value.
func (r *outline) constant() {
	for r.err == nil {
		switch op := r.byte(); op {
		case 0x0b: // its end
			return
		case 0x41, 0x42: // a number
			for r.err == nil && r.byte()&0x80 != 0 {
			}
		case 0x23, 0xd2: // a global, a function
			r.u32()
		case 0xd0: // none of a type
			r.valueType(r.byte())
		default:
			r.refuse("an expression with %#x", op)
		}
	}
}

func uleb(v uint32) (b []byte) {
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}
