package lockdown

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Compile leaves the process what it needs to read a module and turn it into
// code: the calls of Run, files as far as they can be opened, and executable
// memory. write is for a process that leaves code in a cache. Any other call
// fails with EPERM.
func Compile(write bool) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	// The first rule of a call is the one that counts.
	return install(program(append(compiling(write), running()...), eperm))
}

// Run leaves the process its memory and the descriptors that it has. Any other
// call ends it.
func Run() error { return install(program(append(noExec(), running()...), kill)) }

// install gives a filter to all threads.
func install(filter []unix.SockFilter) error {
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: unsafe.SliceData(filter)}
	other, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	if other != 0 {
		return fmt.Errorf("seccomp: thread %d cannot have the filter", other)
	}
	return nil
}

// Seccomp reports whether this kernel filters system calls, for this machine.
func Seccomp() bool {
	action := uint32(kill)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	return errno == 0 && auditArch != 0
}
