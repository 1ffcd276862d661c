package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/tetratelabs/wazero"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
)

// errClosed ends the calls in flight when their module is closed.
var errClosed = errors.New("module is closed")

// module implements Module in this process.
type module struct {
	name      string
	limits    Limits
	opts      Options
	rt        wazero.Runtime
	code      wazero.CompiledModule
	budget    *Budget
	minMemory uint64

	// ctx ends with Close and takes the calls in flight with it.
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	idle   []*instance
	closed bool
	// flying counts calls; Close waits for them, since their memory goes with
	// the runtime.
	flying sync.WaitGroup
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
	if err := m.begin(); err != nil {
		return 0, fmt.Errorf("%s: %w", export, err)
	}
	defer m.flying.Done()
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
	if intact := c.end(); !pooled || err != nil || !intact || !in.reusable() || !m.put(in) {
		in.discard()
	}
	return code, err
}

// begin counts a call unless the module is closed.
func (m *module) begin() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	m.flying.Add(1)
	return nil
}

// take returns an idle instance, or a new one that is configured.
func (m *module) take(c *flight) (*instance, error) {
	m.mu.Lock()
	if n := len(m.idle); n > 0 {
		in := m.idle[n-1]
		m.idle[n-1] = nil
		m.idle = m.idle[:n-1]
		m.mu.Unlock()
		return in, nil
	}
	m.mu.Unlock()
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

// put keeps an instance for the next call if there is room.
func (m *module) put(in *instance) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || len(m.idle) >= m.limits.Idle {
		return false
	}
	m.idle = append(m.idle, in)
	return true
}

// Close implements Module. It returns when the calls in flight have ended, or
// with ctx's error, and then the last of them releases the module.
func (m *module) Close(ctx context.Context) error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	idle := m.idle
	m.idle = nil
	m.mu.Unlock()
	m.cancel(errClosed)
	for _, in := range idle {
		in.discard()
	}
	done := make(chan error, 1)
	go func() {
		m.flying.Wait()
		done <- m.rt.Close(context.WithoutCancel(ctx))
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("module %s: a call does not end: %w", m.name, context.Cause(ctx))
	}
}
