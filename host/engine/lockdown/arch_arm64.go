package lockdown

import "golang.org/x/sys/unix"

const (
	auditArch      = unix.AUDIT_ARCH_AARCH64
	foreignNumbers = 0xffffffff
)

// What a stat by name, and a renaming, are called.
const (
	sysFstatat = unix.SYS_FSTATAT
	sysRename  = unix.SYS_RENAMEAT
)

var old []uint32
