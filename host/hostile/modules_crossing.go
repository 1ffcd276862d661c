package hostile

import (
	"slices"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/hostile/assemble"
)

// crossing are modules that hand pointers over that lead beyond their memory,
// which is one page.
func crossing() []Module {
	all := func(name, claim string, ptr, n int32) Module {
		return Module{Name: name, Claim: claim, Verdict: Harmless, Via: "create", Make: in(abi.ExportCreate, func(m *assemble.Module) []byte {
			return append(askAll(m, ptr, n, abi.Invalid), assemble.Const(0)...)
		})}
	}
	return []Module{
		all("pointer-beyond", "every import answers Invalid to a pointer beyond the memory", 1<<20, 1),
		all("pointer-end", "to one whose length leads beyond it", 1<<16-4, 8),
		all("pointer-wraps", "to one that wraps", -16, 64),
		all("length-wraps", "to a length that wraps", 16, -1),
		all("length-negative", "and to one of half the addresses", 0, -1<<31),
		{Name: "arguments-over-code", Claim: "arguments go where the guest says, and nowhere else", Verdict: Harmless, Via: "create", Make: in(abi.ExportCreate, func(m *assemble.Module) []byte {
			// The last bytes of the memory are too few for the arguments, so
			// that nothing is written to them.
			args := m.Host(abi.ImportCallArgs)
			return slices.Concat(assemble.Const(1<<16-4), assemble.Const(4), assemble.Call(args), assemble.Drop(),
				assemble.Const(1<<16-4), []byte{0x28, 0x02, 0x00}, assemble.UnlessIs(0), assemble.Const(0))
		})},
	}
}
