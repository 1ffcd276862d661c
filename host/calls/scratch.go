package calls

import (
	"fmt"
	"os"
	"path"
	"syscall"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/confine"
)

// scratch is a call's /tmp. It is made when the guest first asks for it.
type scratch struct {
	dir  *confine.Dir
	path string
}

func (c *Call) scratchDir() (*confine.Dir, error) {
	if c.scratch != nil {
		return c.scratch.dir, nil
	}
	p, err := os.MkdirTemp(c.env.ScratchParent, "bulkhead-call-")
	if err != nil {
		return nil, fmt.Errorf("scratch directory: %w", err)
	}
	d, err := confine.OpenDir(p)
	if err != nil {
		os.RemoveAll(p)
		return nil, err
	}
	d.Count(c.env.Home.Meter().Child())
	c.scratch = &scratch{dir: d, path: p}
	return d, nil
}

func (c *Call) endScratch() error {
	if c.scratch == nil {
		return nil
	}
	c.scratch.dir.Close()
	err := os.RemoveAll(c.scratch.path)
	c.scratch.dir.Meter().End()
	return err
}

// mount begins a file call: where, and how paths resolve there. what is nil
// for reading.
func (c *Call) mount(m Mount, p string, what *change) (*confine.Dir, confine.How, error) {
	if err := c.enter(); err != nil {
		return nil, 0, err
	}
	if c.env.Home == nil || c.p.Method == abi.MethodDescribe {
		return nil, 0, syscall.EPERM
	}
	if clean := path.Clean(p); clean != p || path.IsAbs(p) {
		return nil, 0, syscall.EINVAL
	}
	if m == Scratch {
		d, err := c.scratchDir()
		return d, confine.Beneath, err
	}
	if err := c.settle(); err != nil {
		return nil, 0, err
	}
	if what == nil {
		return c.env.Home, confine.Beneath, nil
	}
	if err := c.mayWrite(); err != nil {
		return nil, 0, err
	}
	return c.env.Home, confine.NoLinks, c.maySeal(p, *what)
}

// errno is what WASI is told.
func (c *Call) errno(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	c.noted = err
	if errno, ok := errnoOf(err); ok {
		return errno
	}
	switch codeOf(err) {
	case abi.Denied, abi.BadOrder:
		return syscall.EPERM
	case abi.NotFound:
		return syscall.ENOENT
	case abi.Limit:
		return syscall.EMFILE
	case abi.Canceled:
		return syscall.EINTR
	case abi.Invalid:
		return syscall.EINVAL
	}
	return syscall.EIO
}

func errnoOf(err error) (syscall.Errno, bool) {
	for err != nil {
		if errno, ok := err.(syscall.Errno); ok {
			if errno == syscall.EXDEV || errno == syscall.ELOOP {
				errno = syscall.EPERM // the wall, whichever way it was met
			}
			return errno, true
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return 0, false
		}
		err = u.Unwrap()
	}
	return 0, false
}
