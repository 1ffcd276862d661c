// Package assemble puts WebAssembly modules together byte by byte, as wrong as
// they have to be: tests need no tool but Go. It imports abi only.
package assemble

import (
	"slices"

	"github.com/bulkhead/bulkhead/abi"
)

// Types of values.
const (
	I32 = 0x7f
	I64 = 0x7e
)

// Module is a module in the making. Its fields may be changed before Bytes.
type Module struct {
	// Memories are the limits of each, as the binary has them; the first is
	// exported as "memory" if Exported.
	Memories [][]byte
	Exported bool
	// Tables are the limits of each table of functions.
	Tables [][]byte
	// Start is the index of the start function, -1 for none.
	Start int
	// Data are segments, each with its place in the memory.
	Data []Segment
	// Tail is put behind everything.
	Tail []byte

	types   [][]byte
	imports [][]byte
	used    int // imported functions
	funcs   []int
	bodies  [][]byte
	exports [][]byte
}

// Segment is data that is in the memory from the beginning.
type Segment struct {
	At    int32
	Bytes []byte
}

// New is a module with one page of memory.
func New() *Module {
	return &Module{Memories: [][]byte{{0x00, 0x01}}, Exported: true, Start: -1}
}

// Uleb is a number as the binary has it.
func Uleb(v uint32) (b []byte) {
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

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

func str(s string) []byte { return append(Uleb(uint32(len(s))), s...) }

func vec(items [][]byte) []byte {
	return append(Uleb(uint32(len(items))), slices.Concat(items...)...)
}

func (m *Module) sig(in, out []byte) int {
	t := slices.Concat([]byte{0x60}, Uleb(uint32(len(in))), in, Uleb(uint32(len(out))), out)
	for i, have := range m.types {
		if slices.Equal(have, t) {
			return i
		}
	}
	m.types = append(m.types, t)
	return len(m.types) - 1
}

// Import imports a function and returns its index; all imports come before the
// first Func.
func (m *Module) Import(module, name string, in, out []byte) int {
	m.used++
	m.imports = append(m.imports, slices.Concat(str(module), str(name), []byte{0}, Uleb(uint32(m.sig(in, out)))))
	return m.used - 1
}

// ImportOther imports what is no function: its kind and type as in the binary.
func (m *Module) ImportOther(module, name string, kind ...byte) {
	m.imports = append(m.imports, slices.Concat(str(module), str(name), kind))
}

// Host imports one of the ABI's functions with its right signature.
func (m *Module) Host(name string) int {
	in, out := Signature(name)
	return m.Import(abi.Module, name, in, out)
}

// Func adds a function and returns its index.
func (m *Module) Func(in, out []byte, code ...[]byte) int {
	return m.Raw(in, out, slices.Concat([]byte{0x00}, slices.Concat(code...), []byte{0x0b}))
}

// Raw is Func with its variables and its end as in the binary.
func (m *Module) Raw(in, out, body []byte) int {
	m.funcs = append(m.funcs, m.sig(in, out))
	m.bodies = append(m.bodies, slices.Concat(Uleb(uint32(len(body))), body))
	return m.used + len(m.funcs) - 1
}

// Export exports something: 0 is the kind of functions.
func (m *Module) Export(name string, kind byte, index int) {
	m.exports = append(m.exports, slices.Concat(str(name), []byte{kind}, Uleb(uint32(index))))
}

// Method exports a function without arguments that returns a number.
func (m *Module) Method(name string, code ...[]byte) {
	m.Export(name, 0, m.Func(nil, []byte{I32}, code...))
}

// Bytes is the module.
func (m *Module) Bytes() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	section := func(id byte, items [][]byte) {
		if len(items) > 0 {
			body := vec(items)
			out = slices.Concat(out, []byte{id}, Uleb(uint32(len(body))), body)
		}
	}
	types := make([][]byte, len(m.funcs))
	for i, f := range m.funcs {
		types[i] = Uleb(uint32(f))
	}
	tables := make([][]byte, len(m.Tables))
	for i, t := range m.Tables {
		tables[i] = append([]byte{0x70}, t...)
	}
	exports := m.exports
	if m.Exported {
		exports = append(slices.Clone(exports), slices.Concat(str("memory"), []byte{2, 0}))
	}
	section(1, m.types)
	section(2, m.imports)
	section(3, types)
	section(4, tables)
	section(5, m.Memories)
	section(7, exports)
	if m.Start >= 0 {
		start := Uleb(uint32(m.Start))
		out = slices.Concat(out, []byte{8}, Uleb(uint32(len(start))), start)
	}
	section(10, m.bodies)
	var data [][]byte
	for _, s := range m.Data {
		data = append(data, slices.Concat([]byte{0x00}, Const(s.At), []byte{0x0b}, Uleb(uint32(len(s.Bytes))), s.Bytes))
	}
	section(11, data)
	return append(out, m.Tail...)
}
