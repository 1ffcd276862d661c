package engine

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// enotsup is WASI's number for "not supported".
const enotsup = 58

// exportWASI adds WASI as wazero has it, but for fd_renumber: its target is a
// number the guest chooses, and the host's table would grow to it.
func exportWASI(b wazero.HostModuleBuilder) {
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(b)
	i32 := api.ValueTypeI32
	b.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
		stack[0] = enotsup
	}), []api.ValueType{i32, i32}, []api.ValueType{i32}).Export("fd_renumber")
}
