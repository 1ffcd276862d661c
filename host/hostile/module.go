package hostile

import (
	"encoding/binary"
	"slices"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/hostile/assemble"
)

// Module is one that is wrong as such. It is opened as a driver, and asked to
// do Via unless opening it has to be refused already.
type Module struct {
	Name, Claim string
	Verdict     Verdict
	Says        string
	// Via is the method that attacks, "" where opening is all.
	Via  string
	Make func() []byte
	// Endless: only killing the process that compiles it ends that.
	Endless bool
}

// Modules are all modules.
func Modules() []Module {
	return slices.Concat(malformed(), strangers(), early(), greedy(), crossing())
}

// described is where a module keeps what it says of itself.
const described = 1 << 10

// begin is a module that can describe itself.
func begin() *assemble.Module {
	m := assemble.New()
	m.Host(abi.ImportResult)
	return m
}

// driver makes a module complete: what it lacks of the exports that every
// driver has is added, and does nothing. All but those named.
func driver(m *assemble.Module, but ...string) *assemble.Module {
	return driverThat(m, nil, but...)
}

// driverThat runs code in describe first.
func driverThat(m *assemble.Module, first []byte, but ...string) *assemble.Module {
	b := abi.AppendFieldString(nil, abi.FieldDriverName, "hostile")
	b = abi.AppendFieldString(b, abi.FieldDriverVersion, "1")
	b = abi.AppendField(b, abi.FieldDiskFormat, binary.LittleEndian.AppendUint32(nil, 1))
	methods := uint64(1<<abi.MethodConfigure | 1<<abi.MethodDiff | 1<<abi.MethodChanges | 1<<abi.MethodApplyDiff)
	for _, p := range abi.ProtoMethods() {
		methods |= 1 << p
	}
	b = abi.AppendFieldU64(b, abi.FieldMethods, methods)
	m.Data = append(m.Data, assemble.Segment{At: described, Bytes: b})
	if !slices.Contains(but, abi.ExportDescribe) {
		m.Method(abi.ExportDescribe, first, assemble.Const(described), assemble.Const(int32(len(b))), assemble.Call(0))
	}
	for _, p := range abi.ProtoMethods() {
		if !slices.Contains(but, p.Export()) {
			m.Method(p.Export(), assemble.Const(0))
		}
	}
	return m
}

// in is a module that does something in one method. code may import, and ends
// with the method's return.
func in(export string, code func(m *assemble.Module) []byte) func() []byte {
	return func() []byte {
		m := begin()
		c := code(m)
		m.Method(export, c)
		return driver(m, export).Bytes()
	}
}

// ask calls an import with the same pointer and length for whatever takes
// them, and zero otherwise, and makes 32 bits of the answer.
func ask(m *assemble.Module, name string, ptr, n int32) []byte {
	f := m.Host(name)
	in, out := assemble.Signature(name)
	var code []byte
	pair := 0
	for i, t := range in {
		switch {
		case t == assemble.I64:
			code = append(code, assemble.Const64(0)...)
			continue
		case assemble.Paired(name, i):
			code = append(code, assemble.Const([]int32{ptr, n}[pair%2])...)
			pair++
		default:
			code = append(code, assemble.Const(0)...)
		}
	}
	code = append(code, assemble.Call(f)...)
	if out[0] == assemble.I64 {
		code = append(code, assemble.Wrap()...)
	}
	return code
}

// askAll asks all imports but some, and traps unless each answers so.
func askAll(m *assemble.Module, ptr, n int32, want abi.Code, but ...string) (code []byte) {
	for _, name := range assemble.Imports() {
		if !slices.Contains(but, name) {
			code = slices.Concat(code, ask(m, name, ptr, n), assemble.UnlessIs(int32(want)))
		}
	}
	return code
}
