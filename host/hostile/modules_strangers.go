package hostile

import (
	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/hostile/assemble"
)

// strangers are modules that want another host, or are another kind of guest.
func strangers() []Module {
	refuse := func(name, claim, says string, change func(m *assemble.Module)) Module {
		return Module{Name: name, Claim: claim, Verdict: Invalid, Says: says, Make: func() []byte {
			m := begin()
			change(m)
			return driver(m).Bytes()
		}}
	}
	without := func(name, claim, says string, export string, instead func(m *assemble.Module)) Module {
		return Module{Name: name, Claim: claim, Verdict: Invalid, Says: says, Make: func() []byte {
			m := begin()
			if instead != nil {
				instead(m)
			}
			return driver(m, export).Bytes()
		}}
	}
	i32 := []byte{assemble.I32}
	return []Module{
		refuse("import-env", "nothing comes from other modules", `"env"`, func(m *assemble.Module) { m.Import("env", "system", i32, i32) }),
		refuse("import-next-version", "another version of the ABI is told by its name", `"graphdriver_v2"`, func(m *assemble.Module) {
			m.Import("graphdriver_v2", abi.ImportLog, i32, i32)
		}),
		refuse("import-old-wasi", "so is another WASI", `"wasi_unstable"`, func(m *assemble.Module) { m.Import("wasi_unstable", "fd_read", nil, nil) }),
		refuse("import-unknown", "a function that there is not is named", "graphdriver_v1.exec", func(m *assemble.Module) {
			m.Import(abi.Module, "exec", i32, i32)
		}),
		refuse("import-socket", "WASI's later sockets are not there", "sock_open", func(m *assemble.Module) {
			m.Import("wasi_snapshot_preview1", "sock_open", i32, i32)
		}),
		refuse("import-signature", "another signature is told with the right one", "is (i32, i32, i32) -> i32", func(m *assemble.Module) {
			m.Import(abi.Module, abi.ImportLog, i32, i32)
		}),
		refuse("import-memory", "no memory is imported", "graphdriver_v1.memory", func(m *assemble.Module) { m.ImportOther(abi.Module, "memory", 2, 0, 1) }),
		refuse("import-table", "nor a table", "graphdriver_v1.table", func(m *assemble.Module) { m.ImportOther(abi.Module, "table", 1, 0x70, 0, 1) }),
		refuse("import-global", "nor a global", "graphdriver_v1.secret", func(m *assemble.Module) {
			m.ImportOther(abi.Module, "secret", 3, assemble.I32, 0)
		}),
		without("no-describe", "what every driver has must be there", "lacks the exports driver_describe", abi.ExportDescribe, nil),
		without("no-get", "each of it", "lacks the exports driver_get", abi.ExportGet, nil),
		without("get-with-argument", "and has its signature", "driver_get is (i32) -> i32", abi.ExportGet, func(m *assemble.Module) {
			m.Export(abi.ExportGet, 0, m.Func(i32, i32, assemble.Const(0)))
		}),
		without("get-without-result", "with its result", "driver_get is () -> ()", abi.ExportGet, func(m *assemble.Module) {
			m.Export(abi.ExportGet, 0, m.Func(nil, nil))
		}),
		without("get-is-memory", "and is a function", "lacks the exports driver_get", abi.ExportGet, func(m *assemble.Module) {
			m.Export(abi.ExportGet, 2, 0)
		}),
		without("get-twice", "once", "", abi.ExportGet, func(m *assemble.Module) {
			m.Method(abi.ExportGet, assemble.Const(0))
			m.Method(abi.ExportGet, assemble.Const(0))
		}),
		refuse("initialize-with-argument", "also what runs first", "_initialize is (i32) -> ()", func(m *assemble.Module) {
			m.Export("_initialize", 0, m.Func(i32, nil))
		}),
		refuse("no-memory", "a driver has a memory", "", func(m *assemble.Module) { m.Memories, m.Exported = nil, false }),
		refuse("hidden-memory", "that the host may use", "exports no memory", func(m *assemble.Module) { m.Exported = false }),
		refuse("two-memories", "and just one", "memory", func(m *assemble.Module) { m.Memories = append(m.Memories, []byte{0, 1}) }),
		refuse("shared-memory", "that is nobody else's", "memory", func(m *assemble.Module) { m.Memories = [][]byte{{3, 1, 2}} }),
		refuse("wide-memory", "with addresses of 32 bits", "memory", func(m *assemble.Module) { m.Memories = [][]byte{{4, 1}} }),
		{Name: "nothing-described", Claim: "a driver says what it is", Verdict: Invalid, Says: "lacks", Make: in(abi.ExportDescribe, func(*assemble.Module) []byte {
			return assemble.Const(0)
		})},
		{Name: "describe-refuses", Claim: "a driver that will not say what it is is none", Verdict: Denied, Says: "describe", Make: in(abi.ExportDescribe, func(*assemble.Module) []byte {
			return assemble.Const(int32(abi.Denied))
		})},
	}
}
