//go:build fault

package fault

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// old are calls that newer machines do without.
func old() map[int32]call {
	return map[int32]call{unix.SYS_RENAMEAT: onAt("renameat", 2)}
}
