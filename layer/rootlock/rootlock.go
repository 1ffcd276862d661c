// Package rootlock keeps processes that share a root directory out of each
// other's way.
//
// There is one writer per root, and the content of a driver's layers can be
// read while nobody removes layers. Locks are flock(2) locks, so they end
// with the process however it ends, and two locks in one process exclude
// each other as those of two processes do.
package rootlock

import (
	"context"
	"errors"
	"time"
)

// Mode is what a lock is for.
type Mode int

const (
	// Read: content is read; nothing may be removed meanwhile. Taking it
	// creates nothing: where no lock file exists nobody has written with
	// bulkhead, and there is nothing to wait for.
	Read Mode = iota + 1
	// Write: layers and images may be added. One writer per root.
	Write
	// Remove: Write, and no reader of content.
	Remove
)

// Lock is a lock that is held.
type Lock struct{}

// Acquire takes the lock of mode on root, for the layers of driver. It waits
// until ctx is done or timeout has passed; a timeout of 0 does not wait. A
// lock that is not to be had wraps layer.ErrLocked and names who holds it.
//
// On a root that Docker made (it has volumes/metadata.db), Write and Remove
// also hold the lock that dockerd takes there, and fail at once while dockerd
// runs.
func Acquire(ctx context.Context, root, driver string, mode Mode, timeout time.Duration) (*Lock, error) {
	return nil, errors.ErrUnsupported
}

// Release gives the lock up. Releasing twice, or a nil lock, is no error.
func (l *Lock) Release() error { return nil }
