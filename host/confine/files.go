package confine

import (
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// OpenFile opens a file for a guest. Only regular files and directories are
// ever opened: what is there is looked at first, and that very inode is then
// opened. With O_CREAT a missing file is made, its parent resolved the same
// way. noLinked refuses to open a file for writing that has several names,
// since another may lie in a layer that is sealed.
func (d *Dir) OpenFile(p string, flags int, perm uint32, how How, noLinked bool) (int, Metered, error) {
	const allowed = unix.O_ACCMODE | unix.O_APPEND | unix.O_TRUNC | unix.O_CREAT | unix.O_EXCL | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_SYNC | unix.O_DSYNC
	flags &= allowed
	writes := flags&unix.O_ACCMODE != unix.O_RDONLY || flags&unix.O_TRUNC != 0
	if flags&unix.O_CREAT != 0 {
		fd, held, err := d.create(p, flags, perm, how)
		if err == nil || flags&unix.O_EXCL != 0 || !isErrno(err, unix.EEXIST) {
			return fd, held, err
		}
	}
	looked, err := d.open(p, unix.O_PATH|flags&unix.O_NOFOLLOW, 0, how)
	if err != nil {
		return -1, Metered{}, err
	}
	defer unix.Close(looked)
	st, err := statFd(looked)
	if err != nil {
		return -1, Metered{}, err
	}
	if d.rec.isLinkFile(looked) {
		return -1, Metered{}, &PathError{Op: "open", Path: p, Err: unix.ENOENT}
	}
	if err := mayOpen(&st, flags, writes, noLinked); err != nil {
		return -1, Metered{}, &PathError{Op: "open", Path: p, Err: err}
	}
	flags &^= unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW
	flags |= unix.O_CLOEXEC | unix.O_NOCTTY | unix.O_NONBLOCK
	fd, held, err := d.meter.opened(false, func() (int, error) { return d.reopen(looked, flags) })
	if err == nil && d.meter != nil && flags&unix.O_TRUNC != 0 {
		if err = held.Truncate(fd, 0); err != nil {
			held.Close(fd)
			unix.Close(fd)
		}
	}
	if err != nil {
		return -1, Metered{}, &PathError{Op: "open", Path: p, Err: err}
	}
	return fd, held, nil
}

// reopen opens what was looked at. What is counted is cut by itself, which
// takes a descriptor to write with.
func (d *Dir) reopen(looked, flags int) (int, error) {
	if d.meter != nil && flags&unix.O_TRUNC != 0 {
		flags &^= unix.O_TRUNC
		if flags&unix.O_ACCMODE == unix.O_RDONLY {
			return -1, unix.EINVAL
		}
	}
	return unix.Open(procPath(looked), flags, 0)
}

func (d *Dir) create(p string, flags int, perm uint32, how How) (file int, held Metered, err error) {
	fd, base, err := d.parent(p, how)
	if err != nil {
		return -1, Metered{}, err
	}
	defer unix.Close(fd)
	err = d.meter.create(0, func() (err error) {
		file, held, err = d.meter.opened(false, func() (int, error) {
			return unix.Openat(fd, base, flags|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, perm&0o777)
		})
		return err
	})
	if err != nil {
		return -1, Metered{}, &PathError{Op: "create", Path: p, Err: err}
	}
	return file, held, nil
}

func mayOpen(st *Stat, flags int, writes, noLinked bool) error {
	switch st.Type() {
	case unix.S_IFDIR:
		if writes {
			return unix.EISDIR
		}
	case unix.S_IFREG:
		if flags&unix.O_DIRECTORY != 0 {
			return unix.ENOTDIR
		}
		if writes && noLinked && st.Nlink > 1 {
			return unix.EPERM
		}
	case unix.S_IFLNK:
		return unix.ELOOP
	default:
		return unix.EPERM
	}
	return nil
}

func isErrno(err error, want unix.Errno) bool {
	pe, ok := err.(*PathError)
	return ok && pe.Err == want
}

// DirName is one name of a directory with its type, as S_IFMT bits.
type DirName struct {
	Name string
	Ino  uint64
	Type uint32
}

// ReadDirNames reads an open directory, sorted by name. Names that are not
// UTF-8 are left out: WASI could not name them back. So is the host's own file.
func ReadDirNames(fd int) ([]DirName, error) {
	raw, err := readNames(fd)
	if err != nil {
		return nil, err
	}
	out := make([]DirName, 0, len(raw))
	for _, n := range raw {
		if utf8.ValidString(n.name) && n.name != linkFile {
			out = append(out, DirName{Name: n.name, Ino: n.ino, Type: uint32(n.typ) << 12})
		}
	}
	return out, nil
}

// StatFd looks at an open file.
func StatFd(fd int) (Stat, error) { return statFd(fd) }

// SetTimes sets the times of an open file; nil leaves one as it is.
func SetTimes(fd int, atime, mtime *Time) error {
	a, m := unix.Timespec{Nsec: unix.UTIME_OMIT}, unix.Timespec{Nsec: unix.UTIME_OMIT}
	if atime != nil {
		a = timespec(*atime)
	}
	if mtime != nil {
		m = timespec(*mtime)
	}
	return futimens(fd, a, m)
}
