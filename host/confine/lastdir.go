package confine

import (
	"errors"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lastDir is the directory that the last file lay in: archives are written
// directory by directory.
type lastDir struct {
	of   *Dir
	path string
	fd   int
	self int // the directory of this process's descriptors, 0 if not open yet
}

// reopen opens what pathFd is open to be looked at, which is a regular file.
// From the directory of descriptors that takes half as long as by their path.
func (l *lastDir) reopen(pathFd int) (int, error) {
	if l.self == 0 {
		fd, err := unix.Open("/proc/self/fd", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, err
		}
		l.self = fd
	}
	return unix.Openat(l.self, strconv.Itoa(pathFd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
}

// open opens what lies at p itself, to look at it, and tells whether it has
// attributes.
func (l *lastDir) open(d *Dir, p string) (fd int, hasAttrs bool, err error) {
	dir, name := path.Split(p)
	if name == "" || name == "." || d.rec.hides(p) {
		fd, err := d.open(p, unix.O_PATH|unix.O_NOFOLLOW, 0, NoLinks)
		return fd, true, err
	}
	if l.of != d || l.path != dir {
		l.leave()
		fd, err := d.open(strings.TrimSuffix(dir, "/"), unix.O_PATH|unix.O_DIRECTORY, 0, NoLinks)
		var failed *PathError
		if errors.As(err, &failed) { // what was asked for is the file
			err = &PathError{Op: failed.Op, Path: p, Err: failed.Err}
		}
		if err != nil {
			return -1, false, err
		}
		l.of, l.path, l.fd = d, dir, fd
	}
	if fd, err = unix.Openat(l.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0); err != nil {
		return -1, false, &PathError{Op: "open", Path: p, Err: err}
	}
	if hasAttrs, err = hasXattrs(l.fd, name); err != nil {
		unix.Close(fd)
		return -1, false, &PathError{Op: "read extended attributes of", Path: p, Err: err}
	}
	return fd, hasAttrs, nil
}

func (l *lastDir) leave() {
	if l.of != nil {
		unix.Close(l.fd)
		l.of = nil
	}
}

func (l *lastDir) close() {
	l.leave()
	if l.self != 0 {
		unix.Close(l.self)
		l.self = 0
	}
}
