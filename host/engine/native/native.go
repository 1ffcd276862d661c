package native

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
)

// A session is a guest's host as it stands.
var _ guest.Host = calls.Session(nil)

var errClosed = errors.New("module is closed")

// Module implements engine.Module by calling a driver's Go code.
type Module struct {
	opts   engine.Options
	driver guest.Driver

	mu     sync.Mutex
	idle   []*guest.Instance
	closed bool
}

// New makes a module of a driver. Of opts.Configure the same is asked as of a
// module's; each instance is configured before its first call.
func New(d guest.Driver, opts engine.Options) *Module { return &Module{driver: d, opts: opts} }

// Has implements engine.Module: like a module of the Go SDK, it has all
// exports, and describe tells which of them do anything.
func (m *Module) Has(export string) bool {
	_, ok := methodOf(export)
	return ok
}

// Run implements engine.Module. Native code cannot be stopped: ctx ends a call
// only where the session notices it.
func (m *Module) Run(ctx context.Context, export string, s calls.Session) (int32, error) {
	in, err := m.take(ctx)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", export, err)
	}
	code, err := m.call(ctx, in, export, s)
	if err == nil {
		m.mu.Lock()
		m.idle = append(m.idle, in)
		m.mu.Unlock()
	}
	return code, err
}

// RunOnce implements engine.Module.
func (m *Module) RunOnce(ctx context.Context, export string, s calls.Session) (int32, error) {
	return m.call(ctx, guest.NewInstance(m.driver), export, s)
}

func (m *Module) take(ctx context.Context) (*guest.Instance, error) {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, errClosed
	}
	if n := len(m.idle); n > 0 {
		in := m.idle[n-1]
		m.idle = m.idle[:n-1]
		m.mu.Unlock()
		return in, nil
	}
	m.mu.Unlock()
	in := guest.NewInstance(m.driver)
	if m.opts.Configure == nil {
		return in, nil
	}
	s, done, err := m.opts.Configure(ctx)
	if err != nil {
		return nil, err
	}
	code, err := m.call(ctx, in, abi.ExportConfigure, s)
	if done != nil {
		err = done(code, err)
	} else if err == nil && code != 0 && abi.Code(code) != abi.NotSupported {
		err = fmt.Errorf("%s: %w", abi.ExportConfigure, abi.Code(code))
	}
	return in, err
}

func (m *Module) call(ctx context.Context, in *guest.Instance, export string, s calls.Session) (code int32, err error) {
	method, ok := methodOf(export)
	if !ok {
		return 0, fmt.Errorf("%s: not exported: %w", export, abi.NotSupported)
	}
	if ctx.Err() != nil {
		return 0, fmt.Errorf("%s: %w", export, context.Cause(ctx))
	}
	defer func() {
		if p := recover(); p != nil {
			err = &engine.Failure{Cause: engine.CauseTrap, Export: export, Detail: fmt.Sprint(p)}
		}
	}()
	return in.Run(host{s}, method), nil
}

// Close implements engine.Module.
func (m *Module) Close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed, m.idle = true, nil
	return nil
}

func methodOf(export string) (abi.Method, bool) {
	for n := abi.Method(0); n < abi.MethodCount; n++ {
		if n.Export() == export {
			return n, true
		}
	}
	return 0, false
}
