package child

import (
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// try is something that a process which is not locked can do.
type tried struct {
	name string
	do   func(argument string) error
	// root: only root can, locked or not.
	root bool
	// early: also a child that compiles may not.
	early bool
	// eperm: it is refused and the process goes on, since libraries try it.
	eperm bool
}

// raw makes a system call.
func raw(nr uintptr, args ...uintptr) (uintptr, error) {
	var a [6]uintptr
	copy(a[:], args)
	r, _, errno := unix.RawSyscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	if errno != 0 {
		return r, errno
	}
	return r, nil
}

func call(nr uintptr, args ...uintptr) func(string) error {
	return func(string) error {
		_, err := raw(nr, args...)
		return err
	}
}

func attempts() []tried {
	zero := make([]byte, 4096)
	at := func(b []byte) uintptr { return uintptr(unsafe.Pointer(&b[0])) }
	fd := func(fd int, err error) error { return err }
	return []tried{
		{name: "open", early: true, eperm: true, do: func(string) error { return fd(unix.Open("/etc/passwd", unix.O_RDONLY, 0)) }},
		{name: "write", early: true, eperm: true, do: func(file string) error { return fd(unix.Open(file, unix.O_WRONLY|unix.O_CREAT, 0o600)) }},
		{name: "openat2", early: true, do: func(string) error {
			return fd(unix.Openat2(unix.AT_FDCWD, "/etc/passwd", &unix.OpenHow{}))
		}},
		{name: "socket", early: true, do: func(string) error { return fd(unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)) }},
		{name: "socketpair", early: true, do: func(string) error {
			_, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			return err
		}},
		{name: "connect", early: true, do: func(path string) error {
			s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			return unix.Connect(s, &unix.SockaddrUnix{Name: path})
		}},
		{name: "exec", early: true, do: func(string) error { return unix.Exec("/bin/true", []string{"true"}, nil) }},
		{name: "fork", early: true, do: func(string) error {
			pid, err := raw(unix.SYS_CLONE, uintptr(unix.SIGCHLD))
			if err == nil && pid == 0 {
				raw(unix.SYS_EXIT_GROUP)
			}
			return err
		}},
		{name: "ptrace", early: true, do: call(unix.SYS_PTRACE, unix.PTRACE_TRACEME)},
		{name: "mount", root: true, early: true, do: func(dir string) error {
			if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
				return err
			}
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				return err
			}
			return unix.Mount("tmpfs", dir, "tmpfs", 0, "")
		}},
		{name: "chroot", root: true, early: true, do: func(dir string) error { return unix.Chroot(dir) }},
		{name: "setuid", root: true, early: true, do: call(unix.SYS_SETUID, 1)},
		{name: "mmap-exec", do: func(string) error {
			_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
			return err
		}},
		{name: "mprotect-exec", do: func(string) error {
			mem, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
			if err != nil {
				return err
			}
			return unix.Mprotect(mem, unix.PROT_READ|unix.PROT_EXEC)
		}},
		{name: "memory", early: true, eperm: true, do: func(string) error {
			_, err := unix.Mmap(-1, 0, 6<<30, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
			return err
		}},
		{name: "kill", early: true, do: func(string) error { return unix.Kill(os.Getppid(), unix.SIGCONT) }},
		{name: "tgkill", early: true, do: func(string) error { return unix.Tgkill(os.Getppid(), os.Getppid(), unix.SIGCONT) }},
		{name: "chmod", early: true, do: func(file string) error { return unix.Fchmodat(unix.AT_FDCWD, file, 0o644, 0) }},
		{name: "chown", early: true, do: func(file string) error { return unix.Fchownat(unix.AT_FDCWD, file, os.Getuid(), os.Getgid(), 0) }},
		{name: "xattr", early: true, do: func(file string) error { return unix.Setxattr(file, "user.x", []byte("x"), 0) }},
		{name: "unlink", early: true, do: func(file string) error { return unix.Unlink(file) }},
		{name: "memfd", early: true, do: func(string) error { return fd(unix.MemfdCreate("x", 0)) }},
		{name: "io_uring", early: true, do: func(string) error {
			_, err := raw(unix.SYS_IO_URING_SETUP, 1, at(zero))
			return err
		}},
		{name: "bpf", root: true, early: true, do: func(string) error {
			attr := []uint32{unix.BPF_MAP_TYPE_ARRAY, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0}
			_, err := raw(unix.SYS_BPF, unix.BPF_MAP_CREATE, uintptr(unsafe.Pointer(&attr[0])), uintptr(4*len(attr)))
			return err
		}},
		{name: "unshare", root: true, early: true, do: call(unix.SYS_UNSHARE, unix.CLONE_NEWUTS)},
		{name: "setns", root: true, early: true, do: func(string) error {
			ns, err := raw(unix.SYS_PIDFD_OPEN, uintptr(os.Getpid()))
			if err == nil {
				_, err = raw(unix.SYS_SETNS, ns, unix.CLONE_NEWUTS)
			}
			return err
		}},
		{name: "pidfd", early: true, do: func(string) error {
			_, err := raw(unix.SYS_PIDFD_OPEN, uintptr(os.Getppid()))
			return err
		}},
		{name: "process_vm_readv", early: true, do: func(string) error {
			buf := make([]byte, 8)
			local := []unix.Iovec{{Base: &buf[0]}}
			local[0].SetLen(8)
			remote := []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&zero[0])), Len: 8}}
			_, err := unix.ProcessVMReadv(os.Getpid(), local, remote, 0)
			return err
		}},
		{name: "keyctl", early: true, do: func(string) error {
			_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, true)
			return err
		}},
		{name: "personality", early: true, do: call(unix.SYS_PERSONALITY, 0xffffffff)},
		{name: "prctl", do: func(string) error { return unix.Prctl(unix.PR_GET_DUMPABLE, 0, 0, 0, 0) }, early: true, eperm: true},
		{name: "recvmsg", early: true, do: func(string) error { // descriptors come this way
			_, err := raw(unix.SYS_RECVMSG, 1<<20, at(zero))
			if err == unix.EBADF {
				return nil // it was looked at
			}
			return err
		}},
		{name: "ioctl", early: true, do: func(string) error {
			_, err := raw(unix.SYS_IOCTL, 0, 0)
			if err == unix.ENOTTY {
				return nil
			}
			return err
		}},
		{name: "clone3", early: true, eperm: true, do: func(string) error {
			_, err := raw(unix.SYS_CLONE3, 0, 0)
			if err == unix.EINVAL {
				return nil
			}
			return err
		}},
	}
}

// descriptors lists what the process has open.
func descriptors() string {
	var b strings.Builder
	for fd := range 64 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			continue
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			fmt.Fprintf(&b, "%d %v; ", fd, err)
			continue
		}
		fmt.Fprintf(&b, "%d %#o; ", fd, st.Mode&unix.S_IFMT)
	}
	return b.String()
}
