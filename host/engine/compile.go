package engine

import (
	"context"
	"errors"
	"fmt"
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
	code, err := r.code(ctx, wasm, opts.solo != nil)
	if err != nil {
		return nil, err
	}
	m := &module{name: name, limits: limits, pool: NewPool[*instance](limits.Idle), opts: opts, links: &r.links, linked: code, budget: NewBudget(limits.MemoryBudget, opts.grow())}
	for _, mem := range code.code.ExportedMemories() {
		m.minMemory = uint64(mem.Min()) * pageSize
	}
	if m.minMemory > m.maxMemory() {
		return nil, errors.Join(
			fmt.Errorf("needs %d pages of memory to begin with, more than the limit of %d: %w", m.minMemory/pageSize, limits.MemoryPages, limits.MemoryExceeded()),
			r.links.release(ctx, code))
	}
	m.ctx, m.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	return m, nil
}

// code is what a module is compiled to, by now or before.
func (r *Runtime) code(ctx context.Context, given []byte, solo bool) (*linked, error) {
	if code := r.links.get(given); code != nil {
		return code, nil
	}
	list, err := importSection(given)
	if err != nil {
		return nil, err
	}
	if err := checkImports(list); err != nil {
		return nil, err
	}
	wasm, err := checkOutline(given)
	if err != nil {
		return nil, err
	}
	if solo { // its process ends, and takes one module
		return r.link(ctx, nil, wasm)
	}
	if wasm, err = brake(wasm); err != nil {
		return nil, err
	}
	code, err := r.link(ctx, given, wasm)
	if err != nil {
		return nil, err
	}
	if err := r.links.keep(ctx, code); err != nil {
		return nil, errors.Join(err, r.links.release(ctx, code))
	}
	return code, nil
}
