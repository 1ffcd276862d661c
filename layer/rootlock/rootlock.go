// Package rootlock keeps processes that share a root directory out of each
// other's way.
//
// There is one writer per root, and the content of a driver's layers can be
// read while nobody removes layers. Locks are flock(2) locks, so they end
// with the process however it ends, and two locks in one process exclude
// each other as those of two processes do.
//
// On disk: <root>/bulkhead/lock is the writer's, and says who that is;
// <root>/bulkhead/<driver>/content.lock is held shared by readers of content
// and exclusively while layers are removed.
package rootlock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

func (m Mode) String() string {
	switch m {
	case Read:
		return "read"
	case Write:
		return "write"
	case Remove:
		return "remove"
	}
	return fmt.Sprintf("mode %d", int(m))
}

// Lock is a lock that is held.
type Lock struct {
	files  []*os.File // in the order in which they were locked
	signed bool       // the first says who we are
}

// Acquire takes the lock of mode on root, for the layers of driver. It waits
// until ctx is done or timeout has passed; a timeout of 0 does not wait. A
// lock that is not to be had wraps layer.ErrLocked and names who holds it.
//
// On a root that Docker made (it has volumes/metadata.db), Write and Remove
// also hold the lock that dockerd takes there, and fail at once while dockerd
// runs.
func Acquire(ctx context.Context, root, driver string, mode Mode, timeout time.Duration) (*Lock, error) {
	a := acquisition{
		ctx: ctx, until: time.Now().Add(timeout),
		writer:  filepath.Join(root, "bulkhead", "lock"),
		content: filepath.Join(root, "bulkhead", driver, "content.lock"),
		docker:  filepath.Join(root, "volumes", "metadata.db"),
	}
	var err error
	switch mode {
	case Read:
		err = a.read()
	case Write, Remove:
		err = a.write(mode)
	default:
		err = fmt.Errorf("there is no lock for %s", mode)
	}
	if err != nil {
		a.lock.Release()
		return nil, fmt.Errorf("lock %s to %s: %w", root, mode, err)
	}
	return &a.lock, nil
}

// Release gives the lock up. Releasing twice, or a nil lock, is no error.
func (l *Lock) Release() error {
	if l == nil {
		return nil
	}
	var errs []error
	if l.signed {
		errs = append(errs, l.files[0].Truncate(0))
		l.signed = false
	}
	for i := len(l.files) - 1; i >= 0; i-- {
		errs = append(errs, l.files[i].Close())
	}
	l.files = nil
	return errors.Join(errs...)
}

// acquisition is one Acquire at work.
type acquisition struct {
	ctx                     context.Context
	until                   time.Time
	writer, content, docker string
	lock                    Lock
}

func (a *acquisition) read() error {
	f, err := os.Open(a.content)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	a.lock.files = append(a.lock.files, f)
	return a.wait(f, shared, a.writerName)
}

func (a *acquisition) write(mode Mode) error {
	w, err := a.open(a.writer)
	if err != nil {
		return err
	}
	if err := a.wait(w, exclusive, a.writerName); err != nil {
		return err
	}
	sign(w)
	a.lock.signed = true
	if err := a.keepDockerOut(); err != nil {
		return err
	}
	c, err := a.open(a.content)
	if err != nil || mode == Write {
		return err
	}
	return a.wait(c, exclusive, func() string { return "by others that read its layers" })
}

// writerName describes the writer, who is also the one that keeps readers
// waiting.
func (a *acquisition) writerName() string { return holder(a.writer) }

// open opens a lock file, and makes it if need be. With the writer's lock
// the file for readers is made too, so that they find it from then on.
func (a *acquisition) open(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		a.lock.files = append(a.lock.files, f)
	}
	return f, err
}

// keepDockerOut takes the lock by which dockerd knows its root: that of its
// volume database. dockerd then waits for us, or fails, if it is started.
func (a *acquisition) keepDockerOut() error {
	f, err := os.Open(a.docker)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	a.lock.files = append(a.lock.files, f)
	got, err := try(f, exclusive)
	if err == nil && !got {
		err = fmt.Errorf("dockerd is running on this root; stop it first: %w", errHeld)
	}
	return err
}
