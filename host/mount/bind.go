package mount

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openTree clones the mount that a directory lies on, with the directory as
// its root. The clone is nowhere yet and dies with its descriptor.
func openTree(dir int) (int, error) {
	fd, err := unix.OpenTree(dir, "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if errors.Is(err, unix.ENOSYS) {
		return -1, errWay
	}
	return fd, err
}

// detachedBind makes a bind mount that is nowhere yet. It is private: what is
// mounted within one does not appear in the other.
func detachedBind(dir *Pinned, readOnly bool) (int, error) {
	fd, err := openTree(dir.fd)
	if err != nil {
		if errors.Is(err, errWay) {
			return -1, err
		}
		return -1, failed("bind "+dir.name, err)
	}
	attr := unix.MountAttr{Propagation: unix.MS_PRIVATE}
	if readOnly {
		attr.Attr_set = unix.MOUNT_ATTR_RDONLY
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		unix.Close(fd)
		if errors.Is(err, unix.ENOSYS) { // before Linux 5.12
			return -1, errWay
		}
		return -1, failed("bind "+dir.name, err)
	}
	return fd, nil
}

// bindCall binds by mount(2), whose mount is writable for a moment before it
// is made read-only.
func bindCall(dir int, t *target, readOnly bool, before func(ID) error) (ID, error) {
	if err := before(ID{}); err != nil {
		return ID{}, err
	}
	fail := func(err error) (ID, error) { return ID{}, failed(fmt.Sprintf("bind on %q", t.path), err) }
	if err := unix.Mount(procPath(dir), procPath(t.fd), "", unix.MS_BIND, ""); err != nil {
		return fail(err)
	}
	id, err := t.landed(ID{}, t.undo)
	if err != nil {
		return ID{}, err
	}
	var want, got unix.Stat_t
	if err := unix.Fstat(dir, &want); err != nil {
		t.undo()
		return fail(err)
	}
	err = unix.Lstat(t.path, &got)
	if err == nil && (got.Dev != want.Dev || got.Ino != want.Ino) {
		err = errors.New("the mount does not show the directory it was made of")
	}
	if err == nil {
		err = unix.Mount("", t.path, "", unix.MS_PRIVATE, "")
	}
	if err == nil && readOnly {
		err = unix.Mount("", t.path, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|keptFlags(t.path), "")
	}
	if err != nil {
		t.undo()
		return fail(err)
	}
	return id, nil
}

// keptFlags are those of a mount that a remount in a user namespace may not
// clear.
func keptFlags(path string) uintptr {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return 0
	}
	// The ST_ flags that statfs reports have the values of the MS_ flags.
	return uintptr(st.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME)
}

// undo takes away what mount(2) has put on t, which has no descriptor.
func (t *target) undo() {
	if now, err := os.Readlink(procPath(t.fd)); err == nil {
		unix.Unmount(now, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	}
}
