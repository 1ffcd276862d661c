package process

import (
	"context"
	"errors"
	"fmt"

	"github.com/bulkhead/bulkhead/host/engine"
)

// Compile has a child compile a module, unless its code is in the cache, and
// another one load it, to see that it can be.
func (r *Runtime) Compile(ctx context.Context, name string, wasm []byte, limits engine.Limits, opts engine.Options) (engine.Module, error) {
	limits = limits.Fill()
	m := &module{
		name: name, runtime: r, opts: opts, pool: engine.NewPool[*instance](limits.Idle), budget: engine.NewBudget(limits.MemoryBudget, nil),
		order: order{name: name, wasm: wasm, limits: limits},
	}
	in, err := r.prepare(ctx, m)
	if err != nil {
		var said *refused
		if errors.As(err, &said) {
			return nil, err // it names the module
		}
		return nil, fmt.Errorf("module %s: %w", name, err)
	}
	m.methods = in.methods
	m.fresh.Store(in)
	m.ctx, m.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	return m, nil
}

// prepare returns a first child with the module loaded.
func (r *Runtime) prepare(ctx context.Context, m *module) (*instance, error) {
	m.cache = r.entry(m.order.wasm)
	if m.cache.filled() {
		in, err := m.launch(ctx)
		var said *refused
		if !errors.As(err, &said) {
			return in, err
		}
		// Made by another version, for another processor, or damaged.
	}
	if err := r.compile(ctx, m); err != nil {
		return nil, err
	}
	return m.launch(ctx)
}

// compile fills the cache.
func (r *Runtime) compile(ctx context.Context, m *module) (err error) {
	work, err := m.cache.begin(r.user)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCache, err)
	}
	defer func() { err = errors.Join(err, work.remove()) }()
	in, err := r.launch(ctx, m.order, work.file, true)
	if err != nil {
		return err
	}
	in.end()
	if err := work.adopt(); err != nil {
		return fmt.Errorf("%w: %w", ErrCache, err)
	}
	return nil
}
