package process

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
)

// module implements engine.Module with a child for each call in flight.
type module struct {
	name    string
	runtime *Runtime
	opts    engine.Options
	order   order
	cache   entry
	budget  *engine.Budget
	methods uint64

	// ctx ends with Close and takes the calls in flight with it.
	ctx    context.Context
	cancel context.CancelCauseFunc

	// pool has the children that are configured; fresh is one without an
	// instance, or nil.
	pool  *engine.Pool[*instance]
	fresh atomic.Pointer[instance]
}

// methodOf finds a method by its export.
func methodOf(export string) (abi.Method, bool) {
	for m := abi.Method(0); m < abi.MethodCount; m++ {
		if m.Export() == export {
			return m, true
		}
	}
	return 0, false
}

// Has implements engine.Module.
func (m *module) Has(export string) bool {
	method, ok := methodOf(export)
	return ok && m.methods&(1<<method) != 0
}

// Run implements engine.Module.
func (m *module) Run(ctx context.Context, export string, s calls.Session) (int32, error) {
	return m.run(ctx, export, s, true)
}

// RunOnce implements engine.Module. The child stays for the next that needs one.
func (m *module) RunOnce(ctx context.Context, export string, s calls.Session) (int32, error) {
	return m.run(ctx, export, s, false)
}

func (m *module) run(ctx context.Context, export string, s calls.Session, pooled bool) (int32, error) {
	if err := m.pool.Begin(); err != nil {
		return 0, fmt.Errorf("%s: %w", export, err)
	}
	defer m.pool.End()
	if ctx.Err() != nil {
		return 0, fmt.Errorf("%s: %w", export, context.Cause(ctx))
	}
	method, _ := methodOf(export)
	if !m.Has(export) {
		return 0, fmt.Errorf("%s: not exported: %w", export, abi.NotSupported)
	}
	both, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(m.ctx, func() { cancel(context.Cause(m.ctx)) })
	defer stop()
	in, err := m.take(both, export, pooled)
	if err != nil {
		return 0, err
	}
	code, reusable, err := in.call(both, m, method, s, !pooled)
	if err != nil || !reusable || !m.keep(in, pooled) {
		in.discard(m)
	}
	return code, err
}

// keep keeps a child for the next call, if there is room.
func (m *module) keep(in *instance, pooled bool) bool {
	if pooled {
		return m.pool.Put(in)
	}
	return m.fresh.CompareAndSwap(nil, in) // Close waits for the call, and then takes it
}

// take returns a child for one call: for a pooled one an idle child or one that
// is configured now.
func (m *module) take(ctx context.Context, export string, pooled bool) (in *instance, err error) {
	if pooled {
		if in := m.waiting(); in != nil {
			return in, nil
		}
	}
	if in = m.unused(); in == nil {
		if in, err = m.launch(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", export, err)
		}
	}
	if !pooled {
		return in, nil
	}
	if err := m.configure(ctx, in); err != nil {
		in.discard(m)
		return nil, err
	}
	return in, nil
}

func (m *module) launch(ctx context.Context) (*instance, error) {
	cache, err := m.cache.open()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCache, err)
	}
	defer cache.Close()
	return m.runtime.launch(ctx, m.order, cache, false)
}

// waiting returns an idle child, and drops those that have ended meanwhile.
func (m *module) waiting() *instance {
	for {
		in, ok := m.pool.Take()
		if !ok {
			return nil
		}
		if !in.gone() {
			return in
		}
		in.discard(m)
	}
}

// unused returns the child that saw whether the module loads, or that ran what
// runs once.
func (m *module) unused() *instance {
	in := m.fresh.Swap(nil)
	if in != nil && in.gone() {
		in.discard(m)
		return nil
	}
	return in
}

func (m *module) configure(ctx context.Context, in *instance) error {
	if m.opts.Configure == nil || !m.Has(abi.ExportConfigure) {
		return nil
	}
	s, done, err := m.opts.Configure(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", abi.ExportConfigure, err)
	}
	code, _, err := in.call(ctx, m, abi.MethodConfigure, s, false)
	if done != nil {
		return done(code, err)
	}
	if err == nil && code != 0 {
		err = fmt.Errorf("%s: %w", abi.ExportConfigure, abi.Code(code))
	}
	return err
}

// Close implements engine.Module. It returns when the calls in flight have
// ended, and no child is left, or with ctx's error.
func (m *module) Close(ctx context.Context) error {
	left, first := m.pool.Close()
	if !first {
		return nil
	}
	if in := m.unused(); in != nil {
		left = append(left, in)
	}
	m.cancel(engine.ErrClosed)
	for _, in := range left {
		in.kill() // all at once
	}
	for _, in := range left {
		in.discard(m)
	}
	if err := m.pool.Wait(ctx, m.empty); err != nil {
		return fmt.Errorf("module %s: %w", m.name, err)
	}
	return nil
}

// empty ends the child that the last call left.
func (m *module) empty() error {
	if in := m.unused(); in != nil {
		in.discard(m)
	}
	return nil
}
