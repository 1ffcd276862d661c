package engine

import (
	"slices"

	"github.com/bulkhead/bulkhead/abi"
)

// asm assembles small hostile modules byte by byte: tests need no tool but
// Go, and the modules can be as wrong as they like.
type asm struct {
	types    [][]byte
	imports  [][]byte
	funcs    []int // type index
	bodies   [][]byte
	exports  [][]byte
	memory   []byte
	noMemory bool
	start    int // function index, -1 for none
	data     []byte
	table    []byte // functions in a table, by index
	globals  [][]byte
}

const (
	tI32 = 0x7f
	tI64 = 0x7e

	opUnreachable = 0x00
	opDrop        = 0x1a
)

func sleb(v int64) (b []byte) {
	for {
		c := byte(v) & 0x7f
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func str(s string) []byte { return append(uleb(uint32(len(s))), s...) }

func vec(items [][]byte) []byte { return append(uleb(uint32(len(items))), slices.Concat(items...)...) }

func i32c(v int32) []byte     { return append([]byte{0x41}, sleb(int64(v))...) }
func i64c(v int64) []byte     { return append([]byte{0x42}, sleb(v)...) }
func callf(f int) []byte      { return append([]byte{0x10}, uleb(uint32(f))...) }
func grow(pages int32) []byte { return append(i32c(pages), 0x40, 0x00) }

// spin loops for ever; what follows is never reached.
func spin() []byte { return []byte{0x03, 0x40, 0x0c, 0x00, 0x0b} }

func newAsm() *asm { return &asm{start: -1, memory: []byte{0x00, 0x01}} }

func (a *asm) sig(in, out []byte) int {
	t := slices.Concat([]byte{0x60}, uleb(uint32(len(in))), in, uleb(uint32(len(out))), out)
	for i, have := range a.types {
		if slices.Equal(have, t) {
			return i
		}
	}
	a.types = append(a.types, t)
	return len(a.types) - 1
}

// use imports a function; all imports come before the first fn.
func (a *asm) use(module, name string, in, out []byte) int {
	a.imports = append(a.imports, slices.Concat(str(module), str(name), []byte{0}, uleb(uint32(a.sig(in, out)))))
	return len(a.imports) - 1
}

// host imports one of abi.Module's functions with its right signature.
func (a *asm) host(name string) int {
	for _, f := range Imports() {
		if f.Name != name {
			continue
		}
		in, out := f.signature()
		return a.use(abi.Module, name, in, out)
	}
	panic("no import " + name)
}

func (a *asm) fn(in, out []byte, code ...[]byte) int {
	body := slices.Concat([]byte{0x00}, slices.Concat(code...), []byte{0x0b})
	a.funcs = append(a.funcs, a.sig(in, out))
	a.bodies = append(a.bodies, slices.Concat(uleb(uint32(len(body))), body))
	return len(a.imports) + len(a.funcs) - 1
}

func (a *asm) export(name string, kind byte, index int) {
	a.exports = append(a.exports, slices.Concat(str(name), []byte{kind}, uleb(uint32(index))))
}

// method exports a () -> i32.
func (a *asm) method(name string, code ...[]byte) {
	a.export(name, 0, a.fn(nil, []byte{tI32}, code...))
}

// driver adds every mandatory export that is not there yet, answering 0.
func (a *asm) driver(but ...string) *asm {
	for _, m := range append([]abi.Method{abi.MethodDescribe}, abi.ProtoMethods()...) {
		if !slices.Contains(but, m.Export()) {
			a.method(m.Export(), i32c(0))
		}
	}
	return a
}

func (a *asm) bytes() []byte {
	section := func(id byte, body []byte) []byte {
		return slices.Concat([]byte{id}, uleb(uint32(len(body))), body)
	}
	exports := a.exports
	var types [][]byte
	for _, f := range a.funcs {
		types = append(types, uleb(uint32(f)))
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	out = append(out, section(1, vec(a.types))...)
	if len(a.imports) > 0 {
		out = append(out, section(2, vec(a.imports))...)
	}
	out = append(out, section(3, vec(types))...)
	if len(a.table) > 0 {
		out = append(out, section(4, vec([][]byte{{0x70, 0, byte(len(a.table))}}))...)
	}
	if !a.noMemory {
		out = append(out, section(5, vec([][]byte{a.memory}))...)
		exports = append(exports, slices.Concat(str("memory"), []byte{2, 0}))
	}
	if len(a.globals) > 0 {
		out = append(out, section(6, vec(a.globals))...)
	}
	out = append(out, section(7, vec(exports))...)
	if a.start >= 0 {
		out = append(out, section(8, uleb(uint32(a.start)))...)
	}
	if len(a.table) > 0 {
		seg := slices.Concat([]byte{0x00}, i32c(0), []byte{0x0b}, uleb(uint32(len(a.table))), a.table)
		out = append(out, section(9, vec([][]byte{seg}))...)
	}
	out = append(out, section(10, vec(a.bodies))...)
	if len(a.data) > 0 {
		seg := slices.Concat([]byte{0x00}, i32c(0), []byte{0x0b}, uleb(uint32(len(a.data))), a.data)
		out = append(out, section(11, vec([][]byte{seg}))...)
	}
	return out
}
