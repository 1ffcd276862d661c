package calls

import (
	"context"
	"sync"
	"sync/atomic"
)

// Locks are named read-write locks with waits that end. A waiting writer
// blocks no reader, so that a reader within a reader cannot hang; writers may
// therefore wait long, and every wait ends with its context.
type Locks struct {
	mu    sync.Mutex
	names map[string]*lockState
	calls atomic.Uint64
}

// next numbers the calls of a driver, for their handles. It stays positive
// in a handle.
func (l *Locks) next() uint64 { return l.calls.Add(1) & (1<<(62-handleBits) - 1) }

type lockState struct {
	readers int
	writer  bool
	users   int           // holders and waiters
	changed chan struct{} // closed and replaced at each release
}

// NewLocks returns a table without locks.
func NewLocks() *Locks { return &Locks{names: map[string]*lockState{}} }

// Acquire takes one lock and returns what releases it, once. If ctx ends
// first, its error is returned.
func (l *Locks) Acquire(ctx context.Context, name string, exclusive bool) (release func(), err error) {
	l.mu.Lock()
	st := l.names[name]
	if st == nil {
		st = &lockState{changed: make(chan struct{})}
		l.names[name] = st
	}
	st.users++
	for st.writer || exclusive && st.readers > 0 {
		wait := st.changed
		l.mu.Unlock()
		select {
		case <-wait:
			l.mu.Lock()
		case <-ctx.Done():
			l.mu.Lock()
			l.leave(name, st)
			l.mu.Unlock()
			return nil, context.Cause(ctx)
		}
	}
	if exclusive {
		st.writer = true
	} else {
		st.readers++
	}
	l.mu.Unlock()
	return sync.OnceFunc(func() { l.release(name, st, exclusive) }), nil
}

func (l *Locks) release(name string, st *lockState, exclusive bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if exclusive {
		st.writer = false
	} else {
		st.readers--
	}
	close(st.changed)
	st.changed = make(chan struct{})
	l.leave(name, st)
}

func (l *Locks) leave(name string, st *lockState) {
	if st.users--; st.users == 0 {
		delete(l.names, name)
	}
}
