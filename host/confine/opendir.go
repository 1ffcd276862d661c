package confine

import (
	"path"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// openDir is a directory that several goroutines find names in. It is closed
// when the last of them has released it. nil is none.
type openDir struct {
	fd   int
	held atomic.Int32
}

// newOpenDir takes over an open directory, held once.
func newOpenDir(fd int) *openDir {
	d := &openDir{fd: fd}
	d.held.Store(1)
	return d
}

func (d *openDir) hold() *openDir {
	if d != nil {
		d.held.Add(1)
	}
	return d
}

func (d *openDir) release() {
	if d != nil && d.held.Add(-1) == 0 {
		unix.Close(d.fd)
	}
}

// look opens a name itself, to look at it, and tells whether it has
// attributes.
func (d *openDir) look(p string) (fd int, hasAttrs bool, err error) {
	name := lastName(p)
	if fd, err = unix.Openat(d.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0); err != nil {
		return -1, false, &PathError{Op: "open", Path: p, Err: err}
	}
	if hasAttrs, err = hasXattrs(d.fd, name); err != nil {
		unix.Close(fd)
		return -1, false, &PathError{Op: "read extended attributes of", Path: p, Err: err}
	}
	return fd, hasAttrs, nil
}

// is reports whether the directory has overlay's mark of an opaque one.
func (d *openDir) is(opaque string) (bool, error) {
	v, err := xattrValue(procPath(d.fd), opaque)
	if err == unix.ENODATA {
		err = nil
	}
	return string(v) == "y", err
}

// hasAttrs is hasXattrs of the directory itself.
func (d *openDir) hasAttrs() (bool, error) {
	var buf [1024]byte
	n, err := unix.Flistxattr(d.fd, buf[:])
	switch err {
	case nil:
		return anyMatters(buf[:n]), nil
	case unix.ENOTSUP:
		return false, nil
	case unix.ERANGE:
		return true, nil
	}
	return false, err
}

func lastName(p string) string {
	_, name := path.Split(p)
	return name
}
