package confine

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// keeper gives inodes the owner, mode and attributes that they are to have,
// and records what it may not give. It is for trees that may hold records;
// one that does not has no need of it.
type keeper struct {
	// unprivileged: what the kernel refuses is recorded instead of failing.
	unprivileged bool
	rec          *records
	self         uint32 // whose inodes carry records
	meter        *Meter
}

// newKeeper is nil where nothing is recorded.
func newKeeper(d *Dir, unprivileged bool) *keeper {
	self := uint32(unix.Geteuid())
	switch {
	case d.rec != nil:
		return &keeper{unprivileged, d.rec, self, d.meter}
	case unprivileged:
		return &keeper{true, &records{owner: self}, self, d.meter}
	}
	return nil
}

// wish is what an inode is to be.
type wish struct {
	Stat   // type, mode, owner and device
	xattrs []layertar.Xattr
	// fresh: the inode was just made and has no records.
	fresh bool
}

// keptBack says what came of a wish beyond what was made.
type keptBack struct {
	recorded bool
	// owners and xattrs count what could be neither made nor recorded.
	owners, xattrs int64
}

// refusal reports whether err is what the kernel says to those who may not.
func refusal(err error) bool { return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) }

// unrecorded reports whether err means that an inode cannot carry a record.
func unrecorded(err error) bool {
	return errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ERANGE)
}

// inode gives the inode behind fd, which is no symlink, what it is to have.
// The record comes before attributes: an access list may take the right to
// write it away. What stands in for something else stays this user's, since a
// record on anybody else's inode counts for nothing; and who may give an inode
// away, in a user namespace, may use it whatever its mode.
func (k *keeper) inode(fd int, w *wish) (back keptBack, err error) {
	st, err := statFd(fd)
	if err != nil {
		return back, err
	}
	p := procPath(fd)
	if st.Type() == w.Type() && (st.UID != w.UID || st.GID != w.GID) {
		switch err := unix.Chown(p, int(w.UID), int(w.GID)); {
		case err == nil:
			st.UID, st.GID = w.UID, w.GID
		case !k.unprivileged || !refusal(err):
			return back, err
		}
	}
	owned := st.UID == w.UID && st.GID == w.GID
	mode := w.Mode & 0o7777
	if k.unprivileged && st.UID == k.self {
		mode = carried(mode, st.Type(), owned)
	}
	if err := unix.Chmod(p, mode); err != nil {
		return back, err
	}
	back.recorded = st.Type() != w.Type() || !owned || mode != w.Mode&0o7777
	if err := k.stat(p, &st, w, &back); err != nil {
		return back, err
	}
	for _, last := range []bool{false, true} {
		for _, x := range w.xattrs {
			if strings.HasPrefix(x.Name, "system.") != last {
				continue
			}
			if err := k.xattr(p, &st, w, x, &back); err != nil {
				return back, err
			}
		}
	}
	return back, nil
}

// stat records owner, mode and type, or takes an earlier record back.
func (k *keeper) stat(p string, st *Stat, w *wish, back *keptBack) error {
	if back.recorded {
		o := overrideOf(&w.Stat)
		err := unix.Setxattr(p, recordStat, []byte(o.String()), 0)
		if unrecorded(err) {
			back.recorded = false
			back.owners++
			return nil
		}
		return err
	}
	if w.fresh || st.Type() != unix.S_IFREG && st.Type() != unix.S_IFDIR {
		return nil
	}
	return forget(p, recordStat)
}

// forget removes a record that may not be there.
func forget(p, name string) error {
	err := unix.Removexattr(p, name)
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ERANGE) {
		return nil
	}
	return err
}

// xattr sets one attribute, or records it. What stands in for something else
// has none of its own.
func (k *keeper) xattr(p string, st *Stat, w *wish, x layertar.Xattr, back *keptBack) error {
	if st.Type() == w.Type() {
		err := unix.Setxattr(p, x.Name, []byte(x.Value), 0)
		switch {
		case err == nil && w.fresh:
			return nil
		case err == nil && (st.Type() == unix.S_IFREG || st.Type() == unix.S_IFDIR):
			return forget(p, recordPrefix+x.Name)
		case err == nil:
			return nil
		case errors.Is(err, unix.ENOTSUP):
			back.xattrs++
			return nil
		case !k.unprivileged || !refusal(err):
			return err
		}
	}
	err := error(unix.ENOTSUP)
	if kept(x.Name) && st.UID == k.self {
		err = unix.Setxattr(p, recordPrefix+x.Name, []byte(x.Value), 0)
	}
	if unrecorded(err) {
		back.xattrs++
		return nil
	}
	back.recorded = true
	return err
}

// link gives a symlink of an open directory what it is to have. A line is
// written also to say that an earlier one does not hold any more.
func (k *keeper) link(dirfd int, name, target string, w *wish) (back keptBack, err error) {
	owned := true
	if err := unix.Fchownat(dirfd, name, int(w.UID), int(w.GID), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		if !k.unprivileged || !refusal(err) {
			return back, err
		}
		st, err := statAt(dirfd, name)
		if err != nil {
			return back, err
		}
		owned = st.UID == w.UID && st.GID == w.GID
	}
	refused, err := k.linkXattrs(dirfd, name, w.xattrs, &back)
	if err != nil {
		return back, err
	}
	line, err := formatLink(name, target, overrideOf(&w.Stat), refused)
	if err != nil {
		return back, err
	}
	back.recorded = !owned || len(refused) > 0
	return back, appendLink(k.meter, dirfd, line, back.recorded)
}

// linkXattrs sets a symlink's attributes and returns those that are to be
// recorded.
func (k *keeper) linkXattrs(dirfd int, name string, xattrs []layertar.Xattr, back *keptBack) (refused []layertar.Xattr, err error) {
	if len(xattrs) == 0 {
		return nil, nil
	}
	fd, err := openat2(dirfd, name, unix.O_PATH|unix.O_NOFOLLOW, 0, NoLinks)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	for _, x := range xattrs {
		err := unix.Setxattr(procPath(fd), x.Name, []byte(x.Value), 0)
		switch {
		case err == nil:
		case errors.Is(err, unix.ENOTSUP):
			back.xattrs++
		case k.unprivileged && refusal(err):
			refused = append(refused, x)
		default:
			return nil, err
		}
	}
	return refused, nil
}

// undress removes the records of attributes that are not among those named.
func (k *keeper) undress(fd int, stay []layertar.Xattr) error {
	names, err := xattrNames(procPath(fd))
	if err != nil {
		return err
	}
	for _, name := range names {
		meant, ok := strings.CutPrefix(name, recordPrefix)
		if !ok || name == recordStat || slices.ContainsFunc(stay, func(x layertar.Xattr) bool { return x.Name == meant }) {
			continue
		}
		if err := forget(procPath(fd), name); err != nil {
			return err
		}
	}
	return nil
}

// giveToRoot records root as the owner of a new directory, if it is somebody
// else's who records owners. A directory that cannot carry that stays theirs.
func (r *records) giveToRoot(dirfd int, name string) error {
	if r == nil || r.owner == 0 || r.owner != uint32(unix.Geteuid()) {
		return nil
	}
	fd, err := openat2(dirfd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0, NoLinks)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	st, err := statFd(fd)
	if err != nil {
		return err
	}
	st.UID, st.GID = 0, 0
	o := overrideOf(&st)
	err = unix.Setxattr(procPath(fd), recordStat, []byte(o.String()), 0)
	if unrecorded(err) || errors.Is(err, unix.EACCES) {
		return nil
	}
	return err
}

// placeholder makes the empty file that stands in for what cannot be made.
func placeholder(dirfd int, name string) error {
	fd, err := unix.Openat(dirfd, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// node makes a device or fifo, or what stands in for it.
func (k *keeper) node(dirfd int, name string, w *wish) error {
	err := unix.Mknodat(dirfd, name, w.Type()|0o600, int(w.Rdev))
	if !k.unprivileged || !standsIn(w.Type()) {
		return err
	}
	if err == nil {
		err = unix.Fchownat(dirfd, name, int(w.UID), int(w.GID), unix.AT_SYMLINK_NOFOLLOW)
		if err == nil && len(w.xattrs) == 0 {
			return nil
		}
		if err != nil && !refusal(err) {
			return err
		}
		// It could not carry its record.
		if err := unix.Unlinkat(dirfd, name, 0); err != nil {
			return err
		}
		return placeholder(dirfd, name)
	}
	if errors.Is(err, unix.EPERM) {
		return placeholder(dirfd, name)
	}
	return err
}
