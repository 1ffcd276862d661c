package guest

import (
	"syscall"

	"github.com/bulkhead/bulkhead/abi"
)

// ReadFile reads a small file of the home; /tmp is the call's scratch space.
// It takes names that are UTF-8. It goes by syscall because package os costs
// a module half a megabyte.
func (c *Call) ReadFile(path string) ([]byte, error) {
	fd, err := syscall.Open("/"+path, syscall.O_RDONLY, 0)
	if err != nil {
		return nil, fileError(err)
	}
	defer syscall.Close(fd)
	data := make([]byte, 0, 512)
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := syscall.Read(fd, data[len(data):cap(data)])
		if err != nil {
			return nil, fileError(err)
		}
		if n == 0 {
			return data, nil
		}
		data = data[:len(data)+n]
	}
}

// WriteFile replaces a small file of the home as a whole: readers see the old
// content or the new.
func (c *Call) WriteFile(path string, data []byte) error {
	part := "/" + path + ".part"
	fd, err := syscall.Open(part, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_TRUNC, 0o600)
	if err != nil {
		return fileError(err)
	}
	for len(data) > 0 && err == nil {
		var n int
		n, err = syscall.Write(fd, data)
		data = data[n:]
	}
	if e := syscall.Close(fd); err == nil {
		err = e
	}
	if err == nil {
		err = syscall.Rename(part, "/"+path)
	}
	if err != nil {
		_ = syscall.Unlink(part)
		return fileError(err)
	}
	return nil
}

// Symlink makes a symbolic link at path of the home.
func (c *Call) Symlink(target, path string) error {
	if err := syscall.Symlink(target, "/"+path); err != nil {
		return fileError(err)
	}
	return nil
}

// Readlink reads the target of a symbolic link.
func (c *Call) Readlink(path string) (string, error) {
	var buf [abi.MaxPath + 1]byte
	n, err := syscall.Readlink("/"+path, buf[:])
	if err != nil {
		return "", fileError(err)
	}
	return string(buf[:n]), nil
}

func fileError(err error) error {
	switch err {
	case syscall.ENOENT:
		return abi.NotFound
	case syscall.EEXIST, syscall.ENOTEMPTY:
		return abi.Exists
	case syscall.EPERM, syscall.EACCES, syscall.EROFS:
		return abi.Denied
	case syscall.EINVAL, syscall.ENOTDIR, syscall.EISDIR, syscall.ENAMETOOLONG, syscall.EBADF:
		return abi.Invalid
	case syscall.ENOSPC, syscall.EDQUOT:
		return abi.NoSpace
	}
	return abi.IO
}
