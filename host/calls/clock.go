package calls

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// LimitError is a bound of the configuration that a call ran into.
type LimitError struct {
	// Limit is the configuration's name for it.
	Limit string
	// Value is what it was set to.
	Value string
}

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
	if c.waiting > 0 {
		if time.Since(c.since) >= c.idle {
			c.cancel(&LimitError{Limit: "stream-idle", Value: c.idle.String()})
		}
		return
	}
	if time.Since(c.since) >= c.left {
		c.cancel(&LimitError{Limit: "deadline", Value: c.total.String()})
	}
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
