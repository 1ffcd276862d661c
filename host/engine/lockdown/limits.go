package lockdown

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Limits bound the process itself.
type Limits struct {
	Files, FileSize, Memory uint64 // Memory is what it may have of its own to write to; 0 leaves it
}

// Resources makes the limits hold, none of which can be raised again, and
// closes the process to debuggers and core files.
func Resources(l Limits) error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("dumpable: %w", err)
	}
	for _, r := range []struct {
		what  int
		limit uint64
	}{{unix.RLIMIT_CORE, 0}, {unix.RLIMIT_NOFILE, l.Files}, {unix.RLIMIT_FSIZE, l.FileSize}, {unix.RLIMIT_DATA, l.Memory}} {
		if r.what == unix.RLIMIT_DATA && r.limit == 0 {
			continue
		}
		var have unix.Rlimit
		if err := unix.Getrlimit(r.what, &have); err != nil {
			return fmt.Errorf("resource limit %d: %w", r.what, err)
		}
		n := min(have.Max, r.limit)
		if err := unix.Setrlimit(r.what, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return fmt.Errorf("resource limit %d: %w", r.what, err)
		}
	}
	return nil
}
