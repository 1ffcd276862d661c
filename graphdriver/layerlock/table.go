package layerlock

import (
	"context"
	"sync"
)

// Table holds named read-write locks with waits that end. A waiting writer
// blocks no reader, so that a reader within a reader cannot hang; writers may
// therefore wait long, and every wait ends with its context.
type Table struct {
	mu    sync.Mutex
	names map[string]*state
}

type state struct {
	readers int
	writer  bool
	users   int           // holders and waiters
	changed chan struct{} // closed and replaced at each release
}

// New returns a table without locks.
func New() *Table { return &Table{names: map[string]*state{}} }

// Acquire takes one lock and returns what releases it, once. If ctx ends
// first, its error is returned.
func (l *Table) Acquire(ctx context.Context, name string, exclusive bool) (release func(), err error) {
	l.mu.Lock()
	st := l.names[name]
	if st == nil {
		st = &state{changed: make(chan struct{})}
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

func (l *Table) release(name string, st *state, exclusive bool) {
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

func (l *Table) leave(name string, st *state) {
	if st.users--; st.users == 0 {
		delete(l.names, name)
	}
}
