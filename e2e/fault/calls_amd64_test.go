//go:build fault

package fault

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// old are calls that newer machines do without.
func old() map[int32]call {
	return map[int32]call{
		unix.SYS_OPEN:     onPath("open", 0),
		unix.SYS_CREAT:    onPath("creat", 0),
		unix.SYS_MKDIR:    onPath("mkdir", 0),
		unix.SYS_RMDIR:    onPath("rmdir", 0),
		unix.SYS_MKNOD:    onPath("mknod", 0),
		unix.SYS_LINK:     onPath("link", 1),
		unix.SYS_SYMLINK:  onPath("symlink", 1),
		unix.SYS_UNLINK:   onPath("unlink", 0),
		unix.SYS_RENAME:   onPath("rename", 1),
		unix.SYS_RENAMEAT: onAt("renameat", 2),
		unix.SYS_CHMOD:    onPath("chmod", 0),
		unix.SYS_CHOWN:    onPath("chown", 0),
		unix.SYS_LCHOWN:   onPath("lchown", 0),
	}
}
