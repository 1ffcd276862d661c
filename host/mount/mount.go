package mount

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// way is how directories are handed to the kernel. The zero value is the best
// that it takes.
type way uint8

const (
	anyWay      way = iota
	byFD            // descriptors, given to a file system context
	byLink          // their /proc links, given to a file system context
	byMountCall     // mount(2)
)

// errWay: the kernel does not know this way.
var errWay = errors.New("not known to this kernel")

// Mount mounts what spec says on an existing, empty directory that is no
// symlink and no mount point, and returns which mount it became.
//
// Errors are graphdriver.ErrInvalid for a spec or a target that cannot be,
// graphdriver.ErrLimit for too many directories, graphdriver.ErrNotSupported
// where the kernel has no overlay, ErrMounted, ErrUpperInUse and ErrPrivilege.
func Mount(ctx context.Context, spec Spec, on string) (ID, error) {
	return mountBy(ctx, anyWay, spec, on)
}

func mountBy(ctx context.Context, w way, spec Spec, on string) (ID, error) {
	t, err := openTarget(on)
	if err != nil {
		return ID{}, err
	}
	defer t.close()
	return spec.mount(ctx, w, t, func(ID) error { return nil })
}

// mount mounts on t. before is called when all but the attaching is done, with
// the mount's identity if it has one by then.
func (s Spec) mount(ctx context.Context, w way, t *target, before func(ID) error) (ID, error) {
	if err := s.check(); err != nil {
		return ID{}, err
	}
	if err := s.upperIsFree(); err != nil {
		return ID{}, err
	}
	ways := []way{w}
	if w == anyWay {
		ways = []way{byFD, byLink, byMountCall}
	}
	var err error
	for _, w := range ways {
		if ctx.Err() != nil {
			return ID{}, context.Cause(ctx)
		}
		var id ID
		if id, err = s.mountOne(w, t, before); !errors.Is(err, errWay) {
			return id, err
		}
	}
	return ID{}, err
}

func (s Spec) mountOne(w way, t *target, before func(ID) error) (ID, error) {
	if w == byMountCall {
		return s.mountCall(t, before)
	}
	var fd int
	var err error
	if dir := s.bound(); dir != nil {
		fd, err = detachedBind(dir, s.readOnly())
	} else {
		fd, err = s.detachedOverlay(w)
	}
	if err != nil {
		return ID{}, err
	}
	defer unix.Close(fd)
	return attach(fd, t, before)
}

// attach puts a mount that is nowhere yet on t.
func attach(fd int, t *target, before func(ID) error) (ID, error) {
	id, _, err := identify(fd)
	if err != nil {
		return ID{}, err
	}
	if err := before(id); err != nil {
		return ID{}, err
	}
	if err := unix.MoveMount(fd, "", t.fd, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return ID{}, failed(fmt.Sprintf("mount on %q", t.path), err)
	}
	return t.landed(id, func() { unix.Unmount(procPath(fd), unix.MNT_DETACH) })
}

// Clone mounts once more what is mounted at from: the same file system, so
// that two mounts may write to it.
func Clone(ctx context.Context, from, on string) (ID, error) {
	t, err := openTarget(on)
	if err != nil {
		return ID{}, err
	}
	defer t.close()
	return clone(ctx, from, ID{}, t, func(ID) error { return nil })
}

// clone insists that what is mounted at from is want, unless that is zero.
func clone(ctx context.Context, from string, want ID, t *target, before func(ID) error) (ID, error) {
	if ctx.Err() != nil {
		return ID{}, context.Cause(ctx)
	}
	source, err := unix.Open(from, unix.O_PATH|unix.O_NOFOLLOW|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ID{}, fmt.Errorf("mount %q again: %w", from, err)
	}
	defer unix.Close(source)
	id, root, err := identify(source)
	if err != nil {
		return ID{}, fmt.Errorf("mount %q again: %w", from, err)
	}
	if !root || want != (ID{}) && !id.Same(want) {
		return ID{}, fmt.Errorf("mount %q again: %w", from, ErrNotMounted)
	}
	fd, err := openTree(source)
	if errors.Is(err, errWay) {
		return bindCall(source, t, false, before)
	}
	if err != nil {
		return ID{}, failed(fmt.Sprintf("mount %q again", from), err)
	}
	defer unix.Close(fd)
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Propagation: unix.MS_PRIVATE})
	if err != nil && !errors.Is(err, unix.ENOSYS) {
		return ID{}, failed(fmt.Sprintf("mount %q again", from), err)
	}
	return attach(fd, t, before)
}
