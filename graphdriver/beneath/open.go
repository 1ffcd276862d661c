package beneath

import (
	"os"

	"golang.org/x/sys/unix"
)

// Variable is the environment variable that, set to "walk", makes Open do
// without openat2, as on kernels and under filters that lack it.
const Variable = "BULKHEAD_RESOLVER"

// walkOnly does not change.
var walkOnly = os.Getenv(Variable) == "walk"

// Open is openat2(2) with a close-on-exec descriptor. resolve is of
// RESOLVE_BENEATH, IN_ROOT, NO_SYMLINKS, NO_MAGICLINKS and NO_XDEV, with one
// of the first two always; anything else is EINVAL. Errors are bare errnos:
// EXDEV for a way out, ELOOP for a symlink that may not be followed.
//
// Linux before 5.6 has no openat2 (ENOSYS), and filters written before answer
// EPERM.
func Open(dirfd int, p string, flags int, mode uint32, resolve uint64) (int, error) {
	if !walkOnly {
		fd, err := open2(dirfd, p, flags, mode, resolve)
		if err != unix.ENOSYS && err != unix.EPERM { // EPERM may be the file's own: then so says the walk
			return fd, err
		}
	}
	return Walk(dirfd, p, flags, mode, resolve)
}

// open2 retries what the kernel asks to be retried: a rename elsewhere in the
// tree can make it give up on a "..".
func open2(dirfd int, p string, flags int, mode uint32, resolve uint64) (int, error) {
	h := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Mode: uint64(mode), Resolve: resolve}
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(dirfd, p, &h)
		if err == unix.EINTR || err == unix.EAGAIN && tries < 128 {
			continue
		}
		return fd, err
	}
}
