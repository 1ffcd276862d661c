package confine

import (
	"context"
	"errors"
	"io"
	"strconv"

	"golang.org/x/sys/unix"
)

// veto may refuse the removal of one name; dirIno is its directory's inode.
type veto func(dirIno uint64, name string) error

// RemoveTree removes what lies at p and everything beneath it. Nothing there
// is ErrNotExist by errno. A last symlink is removed, not followed.
func (d *Dir) RemoveTree(ctx context.Context, p string) error {
	return d.withParent("remove", p, NoLinks, func(dirfd int, base string) error {
		return removeAt(ctx, d.meter, dirfd, base, nil)
	})
}

// removeAt removes one name of a directory with all beneath it.
func removeAt(ctx context.Context, m *Meter, dirfd int, name string, may veto) error {
	var ino uint64
	if may != nil {
		st, err := statFd(dirfd)
		if err != nil {
			return err
		}
		ino = st.Ino
	}
	r := &remover{ctx: ctx, may: may, meter: m, top: -1}
	return r.name(dirfd, ino, name, 0)
}

// removeDepth is how many directories a removal holds open, one in the other.
// What lies deeper is moved up first: there is no bound to how deep a tree can
// be made by renames.
const removeDepth = 256

type remover struct {
	ctx   context.Context
	may   veto
	meter *Meter
	top   int // the outermost directory being emptied
	moved int
}

func (r *remover) name(dirfd int, dirIno uint64, name string, depth int) error {
	if r.may != nil {
		if err := r.may(dirIno, name); err != nil {
			return err
		}
	}
	err := r.meter.unlink(dirfd, name, 0)
	if err == nil || !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM) {
		return err
	}
	if depth > removeDepth {
		return r.lift(dirfd, name)
	}
	if err := r.empty(dirfd, name, depth); err != nil {
		return err
	}
	return r.meter.unlink(dirfd, name, unix.AT_REMOVEDIR)
}

// lift moves a directory to the outermost one, which is looked at again.
func (r *remover) lift(dirfd int, name string) error {
	for {
		r.moved++
		err := r.meter.rename(dirfd, name, r.top, ".removing-"+strconv.Itoa(r.moved), unix.RENAME_NOREPLACE)
		if !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
}

func (r *remover) empty(dirfd int, name string, depth int) error {
	fd, err := openOwnDirAt(dirfd, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if depth == 0 {
		r.top = fd
	}
	var ino uint64
	if r.may != nil {
		st, err := statFd(fd)
		if err != nil {
			return err
		}
		ino = st.Ino
	}
	for {
		moved := r.moved
		if err := r.names(fd, ino, depth+1); err != nil {
			return err
		}
		if depth > 0 || moved == r.moved {
			return nil
		}
		if _, err := unix.Seek(fd, 0, io.SeekStart); err != nil {
			return err
		}
	}
}

func (r *remover) names(fd int, ino uint64, depth int) error {
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	names, err := readNames(fd)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := r.name(fd, ino, n.name, depth); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

// openDirAt opens a directory to read it.
func openDirAt(dirfd int, name string) (int, error) {
	return openat2(dirfd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0, NoLinks)
}

// openOwnDirAt is openDirAt for what may be changed: an unreadable directory
// that is ours is made readable first.
func openOwnDirAt(dirfd int, name string) (int, error) {
	fd, err := openDirAt(dirfd, name)
	if !errors.Is(err, unix.EACCES) {
		return fd, err
	}
	p, perr := openat2(dirfd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0, NoLinks)
	if perr != nil {
		return -1, err
	}
	defer unix.Close(p)
	if unix.Chmod(procPath(p), 0o700) != nil {
		return -1, err
	}
	return openDirAt(dirfd, name)
}
