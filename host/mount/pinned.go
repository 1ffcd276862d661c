package mount

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/host/confine"
)

// Pinned is a directory held by a descriptor: that very directory is mounted,
// whatever its name leads to by then.
type Pinned struct {
	fd       int
	name     string // for messages
	dev, ino uint64
}

// Pin holds a directory that was opened, and so checked, by confine. The
// caller closes both.
func Pin(dir *confine.Dir) (*Pinned, error) {
	fd, err := unix.FcntlInt(uintptr(dir.Fd()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("hold %s: %w", dir.Name(), err)
	}
	dev, ino, err := dir.Identity()
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("hold %s: %w", dir.Name(), err)
	}
	return &Pinned{fd: fd, name: dir.Name(), dev: dev, ino: ino}, nil
}

// Name is the path that the directory was opened by.
func (p *Pinned) Name() string { return p.name }

// Close lets go of the directory. A mount made of it stays.
func (p *Pinned) Close() error { return unix.Close(p.fd) }

// procPath names an open descriptor for calls that take only paths. It leads
// to that very inode.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
