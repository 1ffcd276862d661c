package engine

import (
	"context"
	"fmt"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
)

// module implements Module in this process.
type module struct {
	name   string
	limits Limits
	opts   Options
	*linked
	links     *links
	budget    *Budget
	minMemory uint64

	// ctx ends with Close and takes the calls in flight with it.
	ctx    context.Context
	cancel context.CancelCauseFunc

	// pool has the instances; Close waits for its calls, since their code
	// goes with the last that uses it.
	pool *Pool[*instance]
}

func (m *module) maxMemory() uint64 { return m.limits.memory() }

// Has implements Module.
func (m *module) Has(export string) bool { return m.code.ExportedFunctions()[export] != nil }

// Run implements Module.
func (m *module) Run(ctx context.Context, export string, s calls.Session) (int32, error) {
	return m.run(ctx, export, s, true)
}

// RunOnce implements Module.
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
	if !m.Has(export) {
		return 0, fmt.Errorf("%s: not exported: %w", export, abi.NotSupported)
	}
	c := m.watch(ctx, export)
	var in *instance
	var err error
	if pooled {
		in, err = m.take(c)
	} else {
		in, err = m.instantiate(c)
	}
	if err != nil {
		c.end()
		return 0, err
	}
	code, err := in.call(c, s)
	c.end()
	if !pooled || err != nil || !in.reusable() || !m.pool.Put(in) {
		in.discard()
	}
	return code, err
}

// take returns an idle instance, or a new one that is configured.
func (m *module) take(c *flight) (*instance, error) {
	if in, ok := m.pool.Take(); ok {
		return in, nil
	}
	in, err := m.instantiate(c)
	if err != nil {
		return nil, err
	}
	if err := m.configure(c, in); err != nil {
		in.discard()
		return nil, err
	}
	return in, nil
}

func (m *module) configure(c *flight, in *instance) error {
	if m.opts.Configure == nil || !m.Has(abi.ExportConfigure) {
		return nil
	}
	s, done, err := m.opts.Configure(c.outer)
	if err != nil {
		return fmt.Errorf("%s: %w", abi.ExportConfigure, err)
	}
	as := *c
	as.export = abi.ExportConfigure
	code, err := in.call(&as, s)
	if done != nil {
		return done(code, err)
	}
	if err == nil && code != 0 {
		err = fmt.Errorf("%s: %w", abi.ExportConfigure, abi.Code(code))
	}
	return err
}

// Close implements Module. It returns when the calls in flight have ended, or
// with ctx's error, and then the last of them releases the module.
func (m *module) Close(ctx context.Context) error {
	idle, first := m.pool.Close()
	if !first {
		return nil
	}
	m.cancel(ErrClosed)
	for _, in := range idle {
		in.discard()
	}
	err := m.pool.Wait(ctx, func() error { return m.links.release(context.WithoutCancel(ctx), m.linked) })
	if err != nil {
		err = fmt.Errorf("module %s: %w", m.name, err)
	}
	return err
}
