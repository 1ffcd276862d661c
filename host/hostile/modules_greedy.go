package hostile

import (
	"bytes"
	"math"
	"slices"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/hostile/assemble"
)

// greedy are modules that take what there is.
func greedy() []Module {
	many := func(n int, code []byte) []byte { return bytes.Repeat(code, n) }
	return []Module{
		{Name: "memory-at-once", Claim: "a memory beyond the limit is refused before it is there", Verdict: Limit, Says: "limits.memory", Make: func() []byte {
			m := begin()
			m.Memories = [][]byte{append([]byte{0}, assemble.Uleb(1<<16)...)}
			return driver(m).Bytes()
		}},
		{Name: "memory-grow", Claim: "memory.grow beyond the limit answers -1", Verdict: Harmless, Via: "create", Make: in(abi.ExportCreate, func(*assemble.Module) []byte {
			return slices.Concat(assemble.Grow(math.MaxInt32), assemble.UnlessIs(-1), assemble.Grow(1<<16-2), assemble.UnlessIs(-1), assemble.Const(0))
		})},
		{Name: "memory-creep", Claim: "and page by page", Verdict: Limit, Says: "limits.memory", Via: "create", Make: in(abi.ExportCreate, func(*assemble.Module) []byte {
			return slices.Concat(assemble.Spin(assemble.Grow(1), assemble.Const(-1), []byte{0x46, 0x04, 0x40}, assemble.Unreachable(), []byte{0x0b}), assemble.Const(0))
		})},
		{Name: "table-at-once", Claim: "tables have room for what a driver needs", Verdict: Invalid, Says: "table", Make: func() []byte {
			m := begin()
			m.Tables = [][]byte{append([]byte{0}, assemble.Uleb(1<<27)...)}
			return driver(m).Bytes()
		}},
		{Name: "tables-together", Claim: "all of them together", Verdict: Invalid, Says: "table", Make: func() []byte {
			m := begin()
			for range 8 {
				m.Tables = append(m.Tables, append([]byte{0}, assemble.Uleb(1<<18)...))
			}
			return driver(m).Bytes()
		}},
		{Name: "table-grow", Claim: "table.grow ends, although the table names no maximum", Verdict: Harmless, Via: "create", Make: func() []byte {
			m := begin()
			m.Tables = [][]byte{{0, 1}}
			m.Method(abi.ExportCreate, assemble.GrowTable(1<<27), assemble.UnlessIs(-1), assemble.GrowTable(1<<20-1), assemble.UnlessIs(1), assemble.GrowTable(1), assemble.UnlessIs(-1), assemble.Const(0))
			return driver(m, abi.ExportCreate).Bytes()
		}},
		{Name: "stack", Claim: "endless recursion is a trap", Verdict: Failed, Says: "stack overflow", Via: "create", Make: in(abi.ExportCreate, func(m *assemble.Module) []byte {
			return assemble.Call(1) // itself
		})},
		{Name: "loop", Claim: "a loop of nothing ends at the deadline", Verdict: Limit, Says: "limits.deadline", Via: "create", Make: in(abi.ExportCreate, func(*assemble.Module) []byte {
			return append(assemble.Spin(), assemble.Const(0)...)
		})},
		{Name: "no-loop", Claim: "and so do calls of calls without one", Verdict: Limit, Says: "limits.deadline", Via: "create", Make: in(abi.ExportCreate, func(m *assemble.Module) []byte {
			f := m.Func(nil, nil)
			for range 60 {
				f = m.Func(nil, nil, assemble.Call(f), assemble.Call(f))
			}
			return append(assemble.Call(f), assemble.Const(0)...)
		})},
		{Name: "exit", Claim: "an exit fails the call", Verdict: Failed, Says: "exit status 3", Via: "create", Make: in(abi.ExportCreate, func(m *assemble.Module) []byte {
			exit := m.Import("wasi_snapshot_preview1", "proc_exit", []byte{assemble.I32}, nil)
			return slices.Concat(assemble.Const(3), assemble.Call(exit), assemble.Const(0))
		})},
		{Name: "divide", Claim: "so does a division by zero", Verdict: Failed, Says: "divide by zero", Via: "create", Make: in(abi.ExportCreate, func(*assemble.Module) []byte {
			return append(slices.Concat(assemble.Const(1), assemble.Const(0)), 0x6d)
		})},
		{Name: "read-beyond", Claim: "and a read beyond the memory", Verdict: Failed, Says: "out of bounds", Via: "create", Make: in(abi.ExportCreate, func(*assemble.Module) []byte {
			return append(assemble.Const(-8), 0x28, 0x02, 0x00)
		})},
		{Name: "compile-nested", Claim: "compiling that takes longer than the deadline is killed", Verdict: Limit, Says: "deadline", Endless: true, Make: in(abi.ExportCreate, func(*assemble.Module) []byte {
			const deep = 100_000
			return slices.Concat(many(deep, []byte{0x02, 0x40}), many(deep, []byte{0x0b}), assemble.Const(0))
		})},
		{Name: "compile-bomb", Claim: "whatever makes it long", Verdict: Limit, Says: "deadline", Endless: true, Make: bomb},
	}
}

// bomb is one function that takes a compiler very long for its size: values
// that all live at the same time, and many ways through.
func bomb() []byte {
	m := begin()
	const locals, blocks = 4000, 12000
	var code []byte
	for i := range uint32(blocks) {
		a, b := i%locals, i*7919%locals
		code = slices.Concat(code, []byte{0x20}, assemble.Uleb(a), []byte{0x04, 0x40, 0x20}, assemble.Uleb(b), []byte{0x20}, assemble.Uleb(a), assemble.Add(), []byte{0x21}, assemble.Uleb((a+b)%locals), []byte{0x0b})
	}
	m.Raw(nil, nil, slices.Concat([]byte{1}, assemble.Uleb(locals), []byte{assemble.I32}, code, []byte{0x0b}))
	return driver(m).Bytes()
}
