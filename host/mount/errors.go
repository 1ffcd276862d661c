package mount

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
)

var (
	// ErrNotMounted: the path is no mount point, or no mount that is known.
	ErrNotMounted = errors.New("not mounted")
	// ErrMounted: something is mounted there already.
	ErrMounted = errors.New("a mount point already")
	// ErrUpperInUse: an overlay file system has the upper directory, and two
	// with one upper would damage it.
	ErrUpperInUse = errors.New("the upper directory is in use by another overlay mount")
	// ErrPrivilege: this process may not mount.
	ErrPrivilege = errors.New("mounting needs CAP_SYS_ADMIN: run as root, or in a user namespace (unshare -Urm)")
)

// Holder is a process that keeps a mount busy.
type Holder struct {
	PID  int
	Name string // the command's name, as the process chose it
	How  string // "cwd", "root", "an open file" or "a mapped file"
}

// BusyError is a mount that cannot be unmounted. It is graphdriver.ErrBusy.
type BusyError struct {
	Target string
	// Holders are some of the processes that use it, as far as they can be
	// seen, at most five.
	Holders []Holder
	// Above are mounts beneath the target, at most five.
	Above []string
}

func (e *BusyError) Error() string {
	var why []string
	for _, h := range e.Holders {
		why = append(why, fmt.Sprintf("process %d (%q) has it as %s", h.PID, h.Name, h.How))
	}
	for _, m := range e.Above {
		why = append(why, fmt.Sprintf("%q is mounted in it", m))
	}
	if why == nil {
		why = []string{"by a process that cannot be seen from here"}
	}
	return fmt.Sprintf("unmount %q: in use: %s; end that, or unmount lazily", e.Target, strings.Join(why, ", "))
}

func (e *BusyError) Unwrap() error { return graphdriver.ErrBusy }

// failed wraps what a system call answered.
func failed(what string, err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%s: %w (%w)", what, err, ErrPrivilege)
	}
	return fmt.Errorf("%s: %w", what, err)
}
