package confine

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/beneath"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// How a path is resolved. See the package comment.
type How uint64

const (
	common = unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

	// Beneath follows symlinks and refuses to leave the directory.
	Beneath How = unix.RESOLVE_BENEATH | common
	// NoLinks refuses every symlink but a last one opened as itself.
	NoLinks How = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | common
	// InRoot follows symlinks as if the directory were "/".
	InRoot How = unix.RESOLVE_IN_ROOT | common
)

// Dir is an open directory that paths are resolved beneath.
type Dir struct {
	fd   int
	name string   // for messages only
	rec  *records // nil to show what is
	// meter counts what is made and removed, nil for nothing.
	meter *Meter
}

// Count has all that is made and removed through d, and through what is opened
// from it from now on, counted by m.
func (d *Dir) Count(m *Meter) { d.meter = m }

// Meter is what counts, nil for nothing.
func (d *Dir) Meter() *Meter { return d.meter }

// OpenDir opens a directory of the host by its absolute path. The path is the
// operator's and is trusted.
func OpenDir(name string) (*Dir, error) {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open directory %s: %w", name, err)
	}
	return &Dir{fd: fd, name: name}, nil
}

// Sub opens a directory beneath d.
func (d *Dir) Sub(p string, how How) (*Dir, error) {
	fd, err := d.open(p, unix.O_PATH|unix.O_DIRECTORY, 0, how)
	if err != nil {
		return nil, err
	}
	return &Dir{fd: fd, name: path.Join(d.name, p), rec: d.rec, meter: d.meter}, nil
}

// Name is the path that d was opened by.
func (d *Dir) Name() string { return d.name }

// Fd is the O_PATH descriptor, which stays d's: for who hands the directory
// itself to the kernel.
func (d *Dir) Fd() int { return d.fd }

// Close closes the descriptor.
func (d *Dir) Close() error { return unix.Close(d.fd) }

// Identity is the device and inode of the directory.
func (d *Dir) Identity() (dev, ino uint64, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(d.fd, &st); err != nil {
		return 0, 0, err
	}
	return st.Dev, st.Ino, nil
}

func (d *Dir) open(p string, flags int, mode uint32, how How) (int, error) {
	if p == "" {
		p = "."
	}
	if d.rec.hides(p) {
		return -1, &PathError{Op: "open", Path: p, Err: unix.ENOENT}
	}
	fd, err := openat2(d.fd, p, flags, mode, how)
	if err != nil {
		return -1, &PathError{Op: "open", Path: p, Err: err}
	}
	return fd, nil
}

// openat2 is openat2(2), or what stands in for it.
func openat2(dirfd int, p string, flags int, mode uint32, how How) (int, error) {
	return beneath.Open(dirfd, p, flags, mode, uint64(how))
}

// parent opens the directory that holds the last component of p.
func (d *Dir) parent(p string, how How) (fd int, base string, err error) {
	dir, base := path.Split(p)
	if base == "" || base == "." || base == ".." {
		return -1, "", &PathError{Op: "resolve", Path: p, Err: unix.EINVAL}
	}
	if d.rec.hides(base) {
		return -1, "", &PathError{Op: "resolve", Path: p, Err: unix.ENOENT}
	}
	fd, err = d.open(strings.TrimSuffix(dir, "/"), unix.O_PATH|unix.O_DIRECTORY, 0, how)
	return fd, base, err
}

// withParent runs f with the directory that holds p's last component.
func (d *Dir) withParent(op, p string, how How, f func(dirfd int, base string) error) error {
	fd, base, err := d.parent(p, how)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := f(fd, base); err != nil {
		return &PathError{Op: op, Path: p, Err: err}
	}
	return nil
}

// procPath names an open descriptor, for the calls that have no *at form. It
// leads to that very inode, whatever its name has become.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// maxPath is the longest path the kernel takes, in bytes.
const maxPath = 4095

// CleanPath makes a guest's path relative and clean, "." for the directory
// itself. A path that leaves it, is too long or holds a NUL byte is EINVAL.
func CleanPath(p string) (string, error) {
	if len(p) > maxPath || strings.IndexByte(p, 0) >= 0 {
		return "", &PathError{Op: "resolve", Path: p, Err: unix.EINVAL}
	}
	c := strings.TrimLeft(path.Clean(p), "/")
	if c == "" {
		c = "."
	}
	if c == ".." || strings.HasPrefix(c, "../") {
		return "", &PathError{Op: "resolve", Path: p, Err: unix.EPERM}
	}
	return c, nil
}

// PathError is a failed operation on a path beneath a Dir. Err is an errno.
type PathError struct {
	Op   string
	Path string
	Err  error
}

func (e *PathError) Error() string {
	return fmt.Sprintf("%s %s: %v", e.Op, layertar.Shown(e.Path), e.Err)
}
func (e *PathError) Unwrap() error { return e.Err }

// Escape reports whether err is the kernel refusing to leave the directory:
// through a symlink, a magic link or a mount.
func Escape(err error) bool {
	return errors.Is(err, unix.EXDEV) || errors.Is(err, unix.ELOOP)
}
