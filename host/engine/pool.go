package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// ErrClosed ends the calls in flight when their module is closed.
var ErrClosed = errors.New("module is closed")

// Pool is the idle instances of a module, and a count of its calls. The zero
// value keeps none.
type Pool[T any] struct {
	mu     sync.Mutex
	most   int
	idle   []T
	closed bool
	// flying counts calls; whoever closes waits for them.
	flying sync.WaitGroup
}

// NewPool keeps that many for the next calls.
func NewPool[T any](most int) *Pool[T] { return &Pool[T]{most: most} }

// Begin counts a call, which End ends, unless the pool is closed.
func (p *Pool[T]) Begin() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	p.flying.Add(1)
	return nil
}

// End is the end of a call.
func (p *Pool[T]) End() { p.flying.Done() }

// Take returns an idle instance, if there is one.
func (p *Pool[T]) Take() (in T, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle) - 1
	if n < 0 {
		return in, false
	}
	var none T
	in, p.idle[n] = p.idle[n], none
	p.idle = p.idle[:n]
	return in, true
}

// Put keeps an instance for the next call if there is room.
func (p *Pool[T]) Put(in T) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= p.most {
		return false
	}
	p.idle = append(p.idle, in)
	return true
}

// Close lets no further call begin and returns the idle instances; first
// reports whether nobody closed it before.
func (p *Pool[T]) Close() (idle []T, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle, first = p.idle, !p.closed
	p.idle, p.closed = nil, true
	return idle, first
}

// Wait waits until the last call has ended, and then does what release says,
// or it returns when ctx ends, and that is done later.
func (p *Pool[T]) Wait(ctx context.Context, release func() error) error {
	done := make(chan error, 1)
	go func() {
		p.flying.Wait()
		done <- release()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("a call does not end: %w", context.Cause(ctx))
	}
}
