package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/bulkhead/bulkhead/abi"
)

// Compile checks a module and turns it into native code. It runs nothing of
// the module, but compiling cannot be stopped: a module that is not trusted
// to compile in reasonable time is compiled elsewhere first.
func (r *Runtime) Compile(ctx context.Context, name string, wasm []byte, limits Limits, opts Options) (Module, error) {
	m, err := r.compile(ctx, name, wasm, limits.Fill(), opts)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", name, err)
	}
	return m, nil
}

func (r *Runtime) compile(ctx context.Context, name string, wasm []byte, limits Limits, opts Options) (_ *module, err error) {
	list, err := importSection(wasm)
	if err != nil {
		return nil, err
	}
	if err := checkImports(list); err != nil {
		return nil, err
	}
	if opts.solo == nil {
		wasm, err = r.last.brake(wasm)
	} else {
		wasm, err = checkOutline(wasm)
	}
	if err != nil {
		return nil, err
	}
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().
		WithCompilationCache(r.cache).
		WithDebugInfoEnabled(false))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the compiler failed: %v", p)
		}
		if err != nil {
			err = errors.Join(err, rt.Close(ctx))
		}
	}()

	hosts := make(map[string]wazero.CompiledModule, 3)
	for module, export := range map[string]func(wazero.HostModuleBuilder){
		abi.Module: exportTo, wasi_snapshot_preview1.ModuleName: exportWASI, brakeModule: exportBrake,
	} {
		b := rt.NewHostModuleBuilder(module)
		export(b)
		if hosts[module], err = b.Compile(ctx); err != nil {
			return nil, fmt.Errorf("host module %s: %w", module, err)
		}
		if _, err = rt.InstantiateModule(ctx, hosts[module], wazero.NewModuleConfig()); err != nil {
			return nil, fmt.Errorf("host module %s: %w", module, err)
		}
	}
	code, err := rt.CompileModule(ctx, wasm)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(checkSignatures(code, hosts), checkExports(code)); err != nil {
		return nil, err
	}
	m := &module{name: name, limits: limits, pool: NewPool[*instance](limits.Idle), opts: opts, rt: rt, code: code, budget: NewBudget(limits.MemoryBudget, opts.grow())}
	for _, mem := range code.ExportedMemories() {
		m.minMemory = uint64(mem.Min()) * pageSize
	}
	if m.minMemory > m.maxMemory() {
		return nil, fmt.Errorf("needs %d pages of memory to begin with, more than the limit of %d: %w", m.minMemory/pageSize, limits.MemoryPages, limits.MemoryExceeded())
	}
	m.ctx, m.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	return m, nil
}
