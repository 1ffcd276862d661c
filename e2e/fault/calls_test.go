//go:build fault

package fault

import (
	"maps"

	"golang.org/x/sys/unix"
)

// call is a system call that changes a file system, and which of its arguments
// say what: fd is one that holds a descriptor of what is changed, at one that
// holds a directory's, with the name in the argument after it, path one that
// holds a name alone. The others are -1.
type call struct {
	name         string
	fd, at, path int
}

func onFD(name string, arg int) call   { return call{name, arg, -1, -1} }
func onAt(name string, arg int) call   { return call{name, -1, arg, -1} }
func onPath(name string, arg int) call { return call{name, -1, -1, arg} }

// changing are the calls that are seen. Opening counts where it creates.
func changing() map[int32]call {
	all := map[int32]call{
		unix.SYS_WRITE:           onFD("write", 0),
		unix.SYS_PWRITE64:        onFD("pwrite64", 0),
		unix.SYS_WRITEV:          onFD("writev", 0),
		unix.SYS_PWRITEV:         onFD("pwritev", 0),
		unix.SYS_PWRITEV2:        onFD("pwritev2", 0),
		unix.SYS_COPY_FILE_RANGE: onFD("copy_file_range", 2),
		unix.SYS_SENDFILE:        onFD("sendfile", 0),
		unix.SYS_SPLICE:          onFD("splice", 2),
		unix.SYS_IOCTL:           onFD("ioctl", 0), // FICLONE
		unix.SYS_FTRUNCATE:       onFD("ftruncate", 0),
		unix.SYS_TRUNCATE:        onPath("truncate", 0),
		unix.SYS_FALLOCATE:       onFD("fallocate", 0),
		unix.SYS_FSYNC:           onFD("fsync", 0),
		unix.SYS_FDATASYNC:       onFD("fdatasync", 0),
		unix.SYS_SYNCFS:          onFD("syncfs", 0),
		unix.SYS_SYNC_FILE_RANGE: onFD("sync_file_range", 0),
		unix.SYS_OPENAT:          onAt("openat", 0),
		unix.SYS_OPENAT2:         onAt("openat2", 0),
		unix.SYS_MKDIRAT:         onAt("mkdirat", 0),
		unix.SYS_MKNODAT:         onAt("mknodat", 0),
		unix.SYS_LINKAT:          onAt("linkat", 2),
		unix.SYS_SYMLINKAT:       onAt("symlinkat", 1),
		unix.SYS_UNLINKAT:        onAt("unlinkat", 0),
		unix.SYS_RENAMEAT2:       onAt("renameat2", 2),
		unix.SYS_FCHMOD:          onFD("fchmod", 0),
		unix.SYS_FCHMODAT:        onAt("fchmodat", 0),
		unix.SYS_FCHMODAT2:       onAt("fchmodat2", 0),
		unix.SYS_FCHOWN:          onFD("fchown", 0),
		unix.SYS_FCHOWNAT:        onAt("fchownat", 0),
		unix.SYS_UTIMENSAT:       onAt("utimensat", 0),
		unix.SYS_SETXATTR:        onPath("setxattr", 0),
		unix.SYS_LSETXATTR:       onPath("lsetxattr", 0),
		unix.SYS_FSETXATTR:       onFD("fsetxattr", 0),
		unix.SYS_REMOVEXATTR:     onPath("removexattr", 0),
		unix.SYS_LREMOVEXATTR:    onPath("lremovexattr", 0),
		unix.SYS_FREMOVEXATTR:    onFD("fremovexattr", 0),
		unix.SYS_MOUNT:           onPath("mount", 1),
		unix.SYS_UMOUNT2:         onPath("umount2", 0),
		unix.SYS_MOVE_MOUNT:      onAt("move_mount", 2),
	}
	maps.Copy(all, old())
	return all
}
