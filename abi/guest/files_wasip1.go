package guest

import (
	"strings"
	"syscall"
	"unsafe"

	"github.com/bulkhead/bulkhead/abi"
)

// usualFile is more than most have, in bytes, and what any host reads at once.
const usualFile = 512

// ReadFile reads a small file of the home; /tmp is the call's scratch space.
// It takes names that are UTF-8. It goes by syscall because package os costs
// a module half a megabyte.
func (c *Call) ReadFile(path string) ([]byte, error) {
	fd, err := open(path)
	if err != nil {
		return nil, fileError(err)
	}
	defer syscall.Close(fd)
	data := make([]byte, 0, usualFile)
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		room := data[len(data):cap(data)]
		n, err := syscall.Read(fd, room)
		if err != nil {
			return nil, fileError(err)
		}
		data = data[:len(data)+n]
		if n == 0 || n < len(room) && len(room) <= usualFile { // nothing but a file can be read: there is no more
			return data, nil
		}
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
	var usual [256]byte
	buf := usual[:]
	n, err := readlink(path, buf)
	if err == nil && n == len(buf) { // there may be more
		buf = make([]byte, abi.MaxPath+1)
		n, err = readlink(path, buf)
	}
	if err != nil {
		return "", fileError(err)
	}
	return string(buf[:n]), nil
}

// homeFD is the home: what WASI opens for a module counts from 3, and the host
// opens the home first. By it a path needs not be joined and cleaned, byte by
// byte, to find out beneath what it lies.
const homeFD = 3

func inHome(path string) bool {
	return path != "" && path[0] != '/' && path != "tmp" && !strings.HasPrefix(path, "tmp/") && !strings.Contains(path, "..")
}

func open(path string) (fd int, err error) {
	if inHome(path) {
		return syscall.Openat(homeFD, path, syscall.O_RDONLY, 0)
	}
	return syscall.Open("/"+path, syscall.O_RDONLY, 0)
}

//go:wasmimport wasi_snapshot_preview1 path_readlink
//go:noescape
func pathReadlink(dir int32, path *byte, size uint32, buf *byte, room uint32, n *uint32) uint32

func readlink(path string, buf []byte) (int, error) {
	if !inHome(path) {
		return syscall.Readlink("/"+path, buf)
	}
	var n uint32
	errno := pathReadlink(homeFD, unsafe.StringData(path), uint32(len(path)), unsafe.SliceData(buf), uint32(len(buf)), &n)
	if errno != 0 {
		return 0, syscall.Errno(errno)
	}
	return int(n), nil
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
