package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/bulkhead/bulkhead/host/engine"
)

// loaded is a module and what it says of itself.
type loaded struct {
	module engine.Module
	desc   *Description
}

// modules are the module that takes a driver's calls, and those that it has
// replaced and that still have some.
type modules struct {
	mu      sync.Mutex
	current *loaded
	closed  bool
	calls   map[*loaded]int
	// drained are closed when a module that was replaced has ended.
	drained map[*loaded]chan struct{}
}

func newModules(first *loaded) *modules {
	return &modules{current: first, calls: map[*loaded]int{}, drained: map[*loaded]chan struct{}{}}
}

// take is the current module for one call, which release ends.
func (m *modules) take() *loaded {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls[m.current]++
	return m.current
}

// release closes a module that was replaced after its last call.
func (m *modules) release(ctx context.Context, l *loaded) error {
	m.mu.Lock()
	if m.calls[l]--; m.calls[l] == 0 {
		delete(m.calls, l)
	}
	done := m.drained[l]
	last := done != nil && m.calls[l] == 0
	m.mu.Unlock()
	if !last {
		return nil
	}
	return m.end(ctx, l, done)
}

func (m *modules) end(ctx context.Context, l *loaded, done chan struct{}) error {
	m.mu.Lock()
	if m.drained[l] == nil {
		m.mu.Unlock()
		return nil // somebody else did
	}
	delete(m.drained, l)
	m.mu.Unlock()
	defer close(done)
	return l.module.Close(context.WithoutCancel(ctx))
}

// replace gives the calls that begin from now on to another module, and waits
// until the one before has answered its last and is closed.
func (m *modules) replace(ctx context.Context, next *loaded) error {
	done := make(chan struct{})
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return errors.Join(errClosed, next.module.Close(context.WithoutCancel(ctx)))
	}
	old := m.current
	m.current = next
	m.drained[old] = done
	idle := m.calls[old] == 0
	m.mu.Unlock()
	if idle {
		return m.end(ctx, old, done)
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the new module is in use, and the old one still has calls to answer: %w", context.Cause(ctx))
	}
}

// close closes all of them. Calls in flight fail.
func (m *modules) close(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	all := []*loaded{m.current}
	for l := range m.drained {
		if !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	m.mu.Unlock()
	var errs []error
	for _, l := range all {
		errs = append(errs, l.module.Close(ctx))
	}
	return errors.Join(errs...)
}
