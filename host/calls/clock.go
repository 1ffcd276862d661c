package calls

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// LimitError is a bound of the configuration that a call ran into.
type LimitError struct {
	// Limit is the configuration's name for it, beneath the driver's limits.
	Limit string
	// Value is what it was set to.
	Value string
}

// Is makes it a limit of the native contract too.
func (e *LimitError) Is(target error) bool { return target == graphdriver.ErrLimit }

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s of %s reached; raise the limits.%s of the driver if it is to have more", e.Limit, e.Value, e.Limit)
}

// clock ends a call whose own work takes longer than its deadline, or that
// waits for the other end of a stream longer than the idle limit. While it
// waits the deadline's clock stands still.
type clock struct {
	mu      sync.Mutex
	left    time.Duration
	idle    time.Duration
	total   time.Duration
	since   time.Time
	waiting int
	halted  int
	stopped bool
	timer   *time.Timer
	cancel  context.CancelCauseFunc
}

func newClock(deadline, idle time.Duration, cancel context.CancelCauseFunc) *clock {
	c := &clock{left: deadline, total: deadline, idle: idle, since: time.Now(), cancel: cancel}
	c.timer = time.AfterFunc(deadline, c.fire)
	return c
}

func (c *clock) fire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	name, whole, left := "deadline", c.total, c.left
	if c.waiting > 0 {
		name, whole, left = "stream-idle", c.idle, c.idle
	}
	if c.halted > 0 {
		c.timer.Reset(c.idle)
		return
	}
	if left -= time.Since(c.since); left > 0 {
		c.timer.Reset(left)
		return
	}
	c.cancel(&LimitError{Limit: name, Value: whole.String()})
}

// moved says that the other end of a stream took or gave something: the wait
// for it begins anew.
func (c *clock) moved() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting > 0 {
		c.since = time.Now()
	}
}

// clockedSource is a Source whose progress the clock sees, and which ends with
// the call also within a large payload.
type clockedSource struct {
	layertar.Source
	c *Call
}

// Next implements layertar.Source.
func (s *clockedSource) Next() (*layertar.Entry, error) {
	if s.c.ctx.Err() != nil {
		return nil, context.Cause(s.c.ctx)
	}
	defer s.c.clock.moved()
	return s.Source.Next()
}

// Read implements layertar.Source.
func (s *clockedSource) Read(p []byte) (int, error) {
	return (&clockedReader{s.Source, s.c}).Read(p)
}

// Raw implements layertar.Source.
func (s *clockedSource) Raw() (io.Reader, error) {
	r, err := s.Source.Raw()
	return &clockedReader{r, s.c}, err
}

type clockedReader struct {
	r io.Reader
	c *Call
}

func (r *clockedReader) Read(p []byte) (int, error) {
	if r.c.ctx.Err() != nil {
		return 0, context.Cause(r.c.ctx)
	}
	defer r.c.clock.moved()
	return r.r.Read(p)
}

// clockedWriter is an output whose progress the clock sees.
type clockedWriter struct {
	w     io.Writer
	clock *clock
}

func (w *clockedWriter) Write(p []byte) (int, error) {
	defer w.clock.moved()
	return w.w.Write(p)
}

// wait stops the deadline until the returned function is called.
func (c *clock) wait() (resume func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting++; c.waiting == 1 {
		now := time.Now()
		c.left -= now.Sub(c.since)
		c.since = now
		c.timer.Reset(c.idle)
	}
	return c.resume
}

// halt is wait for another call, which has a clock of its own: it may take as
// long as that one does.
func (c *clock) halt() (resume func()) {
	goOn := c.wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.halted++
	return func() {
		c.mu.Lock()
		c.halted--
		c.since = time.Now()
		c.mu.Unlock()
		goOn()
	}
}

func (c *clock) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting--; c.waiting == 0 {
		c.since = time.Now()
		if !c.stopped {
			c.timer.Reset(max(c.left, 0))
		}
	}
}

func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.timer.Stop()
}
