//go:build fault

package fault

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// launchVar is set for a process of this test that is to become the program
// named by its arguments, watched through the socket that is its descriptor 3.
const launchVar = "FAULT_TEST_LAUNCH"

// filesVar is how many descriptors it may have.
const filesVar = "FAULT_TEST_FILES"

func launch() {
	runtime.LockOSThread() // the filter is this thread's, which becomes the program
	listener, err := watch()
	if err == nil {
		unix.CloseOnExec(3)
		err = unix.Sendmsg(3, []byte{0}, unix.UnixRights(listener), nil, 0)
	}
	if n, e := strconv.ParseUint(os.Getenv(filesVar), 10, 64); err == nil && e == nil {
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n})
	}
	if err == nil {
		os.Unsetenv(launchVar)
		err = syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
	}
	fmt.Fprintf(os.Stderr, "launch %q: %v\n", os.Args[1:], err)
	os.Exit(126)
}

// watch has the changing calls of this thread, and of what it starts, be told.
func watch() (listener int, err error) {
	program := filter()
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	// A call that was told of is not begun again, and told of twice, for the
	// signals that Go's scheduler sends.
	flags := uintptr(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return -1, fmt.Errorf("seccomp: %w", errno)
	}
	return int(fd), nil
}

// Of struct seccomp_data.
const (
	dataNr   = 0
	dataArch = 4
	dataArgs = 16
)

// opening are the flags with which opening a file changes something: creating
// it, emptying it, and making one without a name.
const opening = unix.O_CREAT | unix.O_TRUNC | unix.O_TMPFILE&^unix.O_DIRECTORY

const (
	ficlone      = 0x40049409
	ficloneRange = 0x4020940d
)

// filter is the program that chooses the calls.
func filter() []unix.SockFilter {
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	ret := func(what uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: what}
	}
	jump := func(op uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | op, K: k, Jt: yes, Jf: no}
	}
	creating := func(arg uint32) []unix.SockFilter {
		return []unix.SockFilter{
			load(dataArgs + 8*arg),
			jump(unix.BPF_JSET, opening, 0, 1),
			ret(unix.SECCOMP_RET_USER_NOTIF),
			ret(unix.SECCOMP_RET_ALLOW),
		}
	}
	p := []unix.SockFilter{
		load(dataArch),
		jump(unix.BPF_JEQ, auditArch, 1, 0),
		ret(unix.SECCOMP_RET_KILL_PROCESS),
		load(dataNr),
	}
	for nr, c := range changing() {
		then := []unix.SockFilter{ret(unix.SECCOMP_RET_USER_NOTIF)}
		switch c.name {
		case "openat":
			then = creating(2)
		case "open":
			then = creating(1)
		case "ioctl":
			then = []unix.SockFilter{
				load(dataArgs + 8),
				jump(unix.BPF_JEQ, ficlone, 1, 0),
				jump(unix.BPF_JEQ, ficloneRange, 0, 1),
				ret(unix.SECCOMP_RET_USER_NOTIF),
				ret(unix.SECCOMP_RET_ALLOW),
			}
		}
		p = append(p, jump(unix.BPF_JEQ, uint32(nr), 0, uint8(len(then))))
		p = append(p, then...)
	}
	return append(p, ret(unix.SECCOMP_RET_ALLOW))
}
