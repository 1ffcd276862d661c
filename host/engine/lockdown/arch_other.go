//go:build !amd64 && !arm64

package lockdown

import "golang.org/x/sys/unix"

// No module is compiled to native code here, so there are no filters.
const (
	auditArch      = 0
	foreignNumbers = 0xffffffff
)

// What a stat by name, and a renaming, are called.
const (
	sysFstatat = 0
	sysRename  = unix.SYS_RENAMEAT2
)

var old []uint32
