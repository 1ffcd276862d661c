package wire

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readv and writev are unix.Readv and unix.Writev without their allocations.
func readv(fd int, a, b []byte) (int, error) {
	var v [2]unix.Iovec
	n := vector(v[:], a, b)
	return transfer(unix.SYS_READV, fd, v[:n])
}

func writev(fd int, parts [][]byte) (int, error) {
	var v [4]unix.Iovec
	n := vector(v[:], parts...)
	return transfer(unix.SYS_WRITEV, fd, v[:n])
}

func vector(v []unix.Iovec, parts ...[]byte) (n int) {
	for _, p := range parts {
		if len(p) > 0 && n < len(v) {
			v[n].Base = &p[0]
			v[n].SetLen(len(p))
			n++
		}
	}
	return n
}

func transfer(call uintptr, fd int, v []unix.Iovec) (int, error) {
	n, _, errno := unix.Syscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(v))), uintptr(len(v)))
	runtime.KeepAlive(v)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
