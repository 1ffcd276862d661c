package mount

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// where is the world in which a mount's numbers mean something.
type where struct {
	Boot string `json:"boot"`
	// Mounts and PIDs are the inodes of the namespaces.
	Mounts uint64 `json:"mountNamespace"`
	PIDs   uint64 `json:"pidNamespace"`
}

func whereHere() (where, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return where{}, err
	}
	w := where{Boot: string(bytes.TrimSpace(boot))}
	if w.Mounts, err = namespace("/proc/self/ns/mnt"); err != nil {
		return where{}, err
	}
	w.PIDs, err = namespace("/proc/self/ns/pid")
	return w, err
}

// namespace reads "mnt:[4026531841]".
func namespace(link string) (uint64, error) {
	s, err := os.Readlink(link)
	if err != nil {
		return 0, err
	}
	_, number, _ := strings.Cut(strings.TrimSuffix(s, "]"), ":[")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s says %q", link, s)
	}
	return n, nil
}

// gone reports whether mounts made in w are certainly no more, seen from
// here: the machine was started anew, or no process is left in their
// namespace. Where processes cannot be seen, a namespace may still live; those
// of other users are not counted, who seldom enter this user's namespaces.
func (w where) gone(here where) bool {
	if w.Boot != here.Boot {
		return true
	}
	if w.Mounts == here.Mounts || w.PIDs != here.PIDs {
		return false
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return false
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return false
	}
	for _, name := range names {
		if _, err := strconv.Atoi(name); err != nil {
			continue
		}
		n, err := namespace("/proc/" + name + "/ns/mnt")
		switch {
		case err == nil && n == w.Mounts:
			return false
		case errors.Is(err, fs.ErrPermission) && ownedByUs("/proc/"+name):
			return false
		}
	}
	return true
}

func ownedByUs(dir string) bool {
	st, err := os.Stat(dir)
	if err != nil {
		return false
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && int(sys.Uid) == os.Geteuid()
}
