package lockdown

import "golang.org/x/sys/unix"

const (
	auditArch = unix.AUDIT_ARCH_X86_64
	// foreignNumbers is where those of the x32 ABI begin.
	foreignNumbers = 0x40000000
)

// What a stat by name, and a renaming, are called.
const (
	sysFstatat = unix.SYS_NEWFSTATAT
	sysRename  = unix.SYS_RENAMEAT
)

// old are calls that this machine has for what newer ones do as well.
var old = []uint32{unix.SYS_ARCH_PRCTL}
