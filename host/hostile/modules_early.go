package hostile

import (
	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/hostile/assemble"
)

// early are modules that act before they are asked.
func early() []Module {
	first := func(name, claim string, v Verdict, says string, place func(m *assemble.Module, f int), code func(m *assemble.Module) []byte) Module {
		return Module{Name: name, Claim: claim, Verdict: v, Says: says, Make: func() []byte {
			m := begin()
			c := code(m)
			place(m, m.Func(nil, nil, c))
			return driver(m).Bytes()
		}}
	}
	start := func(m *assemble.Module, f int) { m.Start = f }
	initialize := func(m *assemble.Module, f int) { m.Export("_initialize", 0, f) }
	spin := func(*assemble.Module) []byte { return assemble.Spin() }
	trap := func(*assemble.Module) []byte { return assemble.Unreachable() }
	// What follows a loop or a trap is never reached.
	loop := func(*assemble.Module) []byte { return append(assemble.Spin(), assemble.Const(0)...) }
	refused := func(m *assemble.Module) []byte { return askAll(m, 0, 0, abi.BadOrder) }
	const deadline = "limits.deadline"
	return []Module{
		first("start-loop", "a loop in start ends at the deadline", Limit, deadline, start, spin),
		first("initialize-loop", "so does one in _initialize", Limit, deadline, initialize, spin),
		first("start-trap", "a trap in start makes no driver", Failed, "unreachable", start, trap),
		first("initialize-trap", "nor does one in _initialize", Failed, "unreachable", initialize, trap),
		first("initialize-exit", "nor an exit", Failed, "exit", initialize, func(m *assemble.Module) []byte {
			exit := m.Import("wasi_snapshot_preview1", "proc_exit", []byte{assemble.I32}, nil)
			return append(assemble.Const(0), assemble.Call(exit)...)
		}),
		first("start-grows", "memory is bounded there too", Limit, "limits.memory", start, func(*assemble.Module) []byte {
			return append(assemble.Grow(1<<15), assemble.UnlessIs(1)...)
		}),
		first("start-calls", "every import answers BadOrder to start", Harmless, "", start, refused),
		first("initialize-calls", "and to _initialize", Harmless, "", initialize, refused),
		{Name: "describe-loop", Claim: "a loop in describe ends at the deadline", Verdict: Limit, Says: deadline, Make: in(abi.ExportDescribe, loop)},
		{Name: "configure-loop", Claim: "and one in configure", Verdict: Limit, Says: deadline, Via: "create", Make: in(abi.ExportConfigure, loop)},
		{Name: "describe-calls", Claim: "describe has no files, no layers and no archive", Verdict: Harmless, Make: func() []byte {
			m := begin()
			code := askAll(m, 0, 0, abi.BadOrder, abi.ImportCallArgs, abi.ImportResult, abi.ImportFail, abi.ImportLog, abi.ImportExt)
			return driverThat(m, code).Bytes()
		}},
	}
}
