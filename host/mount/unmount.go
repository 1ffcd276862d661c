package mount

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Unmount takes away what is mounted at a path; of several mounts on top of
// one another, the topmost. A lazy unmount takes it out of sight at once and
// lets those who use it go on; until they end, an upper directory of it stays
// in use (ErrUpperInUse).
//
// What is no mount point is ErrNotMounted, what is in use a *BusyError.
func Unmount(ctx context.Context, at string, lazy bool) error {
	path, err := realPath(at)
	if err != nil {
		return fmt.Errorf("unmount: %w", err)
	}
	return unmount(ctx, path, ID{}, lazy)
}

// unmount insists that what is mounted is want, unless that is zero.
func unmount(ctx context.Context, path string, want ID, lazy bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if path == "/" {
		return fmt.Errorf("unmount %q: %w of ours", path, ErrNotMounted)
	}
	parent, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("unmount %q: %w", path, err)
	}
	defer unix.Close(parent)
	name := procPath(parent) + "/" + filepath.Base(path)
	id, root, err := identifyAt(name)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return fmt.Errorf("unmount %q: %w: %w", path, ErrNotMounted, unwrapErrno(err))
	}
	if err != nil {
		return fmt.Errorf("unmount %q: %w", path, err)
	}
	if !root {
		return fmt.Errorf("unmount %q: %w", path, ErrNotMounted)
	}
	if want != (ID{}) && !id.Same(want) {
		return fmt.Errorf("unmount %q: another mount lies there now; unmount that first: %w", path, ErrMounted)
	}
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	for again := tries; ; again-- {
		err = whileNobodyForks(func() error { return unix.Unmount(name, flags) })
		if !errors.Is(err, unix.EBUSY) {
			break
		}
		if b := busy(ctx, path); again == 0 || len(b.Holders)+len(b.Above) > 0 || !pause(ctx) {
			return b
		}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("unmount %q: %w in this mount namespace, or held fast by the one above", path, ErrNotMounted)
	default:
		return failed("unmount "+strconv.Quote(path), err)
	}
}

// tries are how often an unmount is tried again that the kernel refuses while
// nobody is seen to use what is mounted: a file that was closed a moment ago, or
// is on its way to another process, is a use as well.
const tries = 20

// pause waits before the next try, and reports whether there may be one.
func pause(ctx context.Context) bool {
	t := time.NewTimer(10 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// whileNobodyForks keeps processes from being started meanwhile: until they
// execute their program they have all files that we have, or had just now, and
// each is a reason for the kernel to say that a file system is in use.
func whileNobodyForks(op func() error) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return op()
}

func unwrapErrno(err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// realPath resolves the symlinks of a path's parents, and not of itself.
func realPath(name string) (string, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	if abs == "/" {
		return abs, nil
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(abs)), nil
}
