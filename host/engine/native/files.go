package native

import (
	"errors"
	"syscall"

	"github.com/bulkhead/bulkhead/host/calls"
)

// host adds to a session what the SDK does through WASI in a module.
type host struct{ calls.Session }

// ReadSmall implements guest.SmallFiles.
func (h host) ReadSmall(path string) ([]byte, error) {
	f, e := h.OpenFile(calls.Home, path, syscall.O_RDONLY, 0)
	if e != 0 {
		return nil, calls.ErrnoCode(e)
	}
	defer f.Close()
	var data []byte
	buf := make([]byte, 4096)
	for {
		n, e := f.Read(buf)
		if e != 0 {
			return nil, calls.ErrnoCode(e)
		}
		if n == 0 {
			return data, nil
		}
		data = append(data, buf[:n]...)
	}
}

// WriteSmall implements guest.SmallFiles.
func (h host) WriteSmall(path string, data []byte) error {
	part := path + ".part"
	f, e := h.OpenFile(calls.Home, part, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_TRUNC, 0o600)
	if e != 0 {
		return calls.ErrnoCode(e)
	}
	for len(data) > 0 && e == 0 {
		var n int
		n, e = f.Write(data)
		data = data[n:]
	}
	if ce := f.Close(); e == 0 {
		e = ce
	}
	if e == 0 {
		e = h.RenameFile(calls.Home, part, path)
	}
	if e != 0 {
		return errors.Join(calls.ErrnoCode(e), drop(h.Unlink(calls.Home, part)))
	}
	return nil
}

// drop keeps the failure to remove what is not there from hiding the first.
func drop(e syscall.Errno) error {
	if e == 0 || e == syscall.ENOENT {
		return nil
	}
	return calls.ErrnoCode(e)
}

// SymlinkSmall implements guest.SmallFiles.
func (h host) SymlinkSmall(target, path string) error {
	return errno(h.Symlink(calls.Home, target, path))
}

// ReadlinkSmall implements guest.SmallFiles.
func (h host) ReadlinkSmall(path string) (string, error) {
	target, e := h.Readlink(calls.Home, path)
	return target, errno(e)
}

func errno(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return calls.ErrnoCode(e)
}
