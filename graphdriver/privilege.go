package graphdriver

import (
	"os"
	"strings"
)

// Privileged reports whether this process is the machine's root: it may give
// files to others, make devices and set trusted attributes. The root of a user
// namespace may not, whatever its user number.
func Privileged() bool { return os.Geteuid() == 0 && !InUserNamespace() }

// InUserNamespace reports whether this process is in a user namespace of
// somebody's making. (user_namespaces(7): the first one maps every number to
// itself.)
func InUserNamespace() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	return strings.Join(strings.Fields(string(b)), " ") != "0 0 4294967295"
}
