package lockdown

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Thread locks the calling thread for good, and whatever it will start:
// no_new_privs, no capability to be gained, and of files only paths. The
// caller has locked its goroutine to the thread, never unlocks it, and so
// takes the thread with it.
func Thread(paths []Path) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if v := Landlock(); v > 0 {
		if err := restrict(v, paths); err != nil {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("ambient capabilities: %w", err)
	}
	for c := 0; ; c++ {
		switch err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); {
		case errors.Is(err, unix.EINVAL): // beyond the last
			return dropInheritable()
		case errors.Is(err, unix.EPERM) && os.Geteuid() != 0: // it has none to lose
			return dropInheritable()
		case err != nil:
			return fmt.Errorf("capability %d: %w", c, err)
		}
	}
}

// dropInheritable leaves what the thread itself has, to start a child with,
// and nothing for that child.
func dropInheritable() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	for i := range data {
		data[i].Inheritable = 0
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	return nil
}
