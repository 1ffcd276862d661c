package rootlock

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/layer"
)

const (
	shared    = unix.LOCK_SH
	exclusive = unix.LOCK_EX
)

// errHeld is what every lock that is not to be had wraps.
var errHeld = layer.ErrLocked

// The waiting is by trying again, since flock(2) cannot be told to stop: soon
// at first, then ten times a second.
const (
	firstPause = 2 * time.Millisecond
	lastPause  = 100 * time.Millisecond
)

// try takes a lock if it is free.
func try(f *os.File, how int) (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		switch err {
		case nil:
			return true, nil
		case unix.EWOULDBLOCK:
			return false, nil
		case unix.EINTR:
			continue
		}
		return false, fmt.Errorf("flock %s: %w", f.Name(), err)
	}
}

// wait takes a lock when it becomes free.
func (a *acquisition) wait(f *os.File, how int, who func() string) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if err := a.ctx.Err(); err != nil {
			return held(who(), err)
		}
		got, err := try(f, how)
		if got || err != nil {
			return err
		}
		left := time.Until(a.until)
		if left <= 0 {
			return held(who(), nil)
		}
		timer := time.NewTimer(min(pause, left))
		select {
		case <-timer.C:
		case <-a.ctx.Done():
			timer.Stop()
		}
	}
}

// held says who has the lock, and why the waiting ended if not by itself.
func held(who string, cause error) error {
	if cause != nil {
		return fmt.Errorf("%w %s: %w", errHeld, who, cause)
	}
	return fmt.Errorf("%w %s; wait, or raise --lock-timeout", errHeld, who)
}
