package lockdown

import (
	"os"

	"golang.org/x/sys/unix"
)

// running are the system calls of Go's runtime, of a libc beneath it, and of
// a socket that is there already. Nothing here opens, makes, names or signals
// anything beyond the process.
func running() []rule {
	var rules []rule
	for _, nr := range append([]uint32{
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_CLOSE,
		unix.SYS_FUTEX, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY,
		unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_RESTART_SYSCALL,
		unix.SYS_MUNMAP, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_BRK,
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
		unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETRANDOM, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ,
		unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_CTL, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	}, old...) {
		rules = append(rules, rule{nr: nr, then: allow})
	}
	const thread = unix.CLONE_VM | unix.CLONE_THREAD
	return append(rules,
		rule{nr: unix.SYS_CLONE, then: allow, when: []condition{{0, thread, thread}}, els: kill},
		rule{nr: unix.SYS_CLONE3, then: enosys},
		rule{nr: unix.SYS_TGKILL, then: allow, when: []condition{{0, 0xffffffff, uint32(os.Getpid())}}, els: kill},
		// Names of anonymous memory, and nothing else.
		rule{nr: unix.SYS_PRCTL, then: allow, when: []condition{{0, 0xffffffff, unix.PR_SET_VMA}}, els: eperm},
		// Libraries look for files that they can do without.
		rule{nr: unix.SYS_OPENAT, then: eperm},
	)
}

// noExec are the calls that map memory, without the right to execute it.
func noExec() []rule {
	data := []condition{{2, unix.PROT_EXEC, 0}}
	return []rule{
		{nr: unix.SYS_MMAP, then: allow, when: data, els: kill},
		{nr: unix.SYS_MPROTECT, then: allow, when: data, els: kill},
	}
}

// compiling adds what reading, and if write is set writing, the cache of
// compiled code takes, and memory for that code.
func compiling(write bool) []rule {
	rules := []rule{
		{nr: unix.SYS_MMAP, then: allow}, {nr: unix.SYS_MPROTECT, then: allow}, {nr: unix.SYS_SECCOMP, then: allow},
		{nr: unix.SYS_FSTAT, then: allow}, {nr: sysFstatat, then: allow}, {nr: unix.SYS_GETDENTS64, then: allow},
		{nr: unix.SYS_FCNTL, then: allow}, {nr: unix.SYS_LSEEK, then: allow}, {nr: unix.SYS_PREAD64, then: allow},
		{nr: unix.SYS_EPOLL_CREATE1, then: allow}, {nr: unix.SYS_EVENTFD2, then: allow},
		{nr: unix.SYS_GETCWD, then: allow}, {nr: unix.SYS_READLINKAT, then: allow},
	}
	if write {
		return append(rules,
			rule{nr: unix.SYS_OPENAT, then: allow}, rule{nr: unix.SYS_FSYNC, then: allow}, rule{nr: unix.SYS_MKDIRAT, then: allow},
			rule{nr: sysRename, then: allow}, rule{nr: unix.SYS_UNLINKAT, then: allow})
	}
	const writing = unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC
	return append(rules, rule{nr: unix.SYS_OPENAT, then: allow, when: []condition{{2, writing, 0}}, els: eperm})
}
