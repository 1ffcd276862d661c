package mount

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ID identifies a mount while the machine runs.
type ID struct {
	// Unique is never given to another mount; 0 before Linux 6.8.
	Unique uint64 `json:"unique,omitempty"`
	// Mount is mountinfo's number, which a later mount may get again.
	Mount int `json:"mount"`
	// Dev is the st_dev of the mount's root.
	Dev uint64 `json:"dev"`
}

// Same reports whether both are, as far as the kernel tells, one mount.
func (i ID) Same(o ID) bool {
	if i.Unique != 0 && o.Unique != 0 {
		return i.Unique == o.Unique
	}
	return i.Mount != 0 && i.Mount == o.Mount && i.Dev == o.Dev
}

// identify looks at the mount that an open descriptor lies on, and whether it
// is that mount's root.
func identify(fd int) (id ID, root bool, err error) {
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_BASIC_STATS|unix.STATX_MNT_ID, &st); err != nil {
		return ID{}, false, fmt.Errorf("statx: %w", err)
	}
	id.Dev = unix.Mkdev(st.Dev_major, st.Dev_minor)
	id.Mount = int(st.Mnt_id)
	if st.Mask&unix.STATX_MNT_ID == 0 {
		if id.Mount, err = fdinfoMount(fd); err != nil {
			return ID{}, false, err
		}
	}
	root = st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
	if st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT == 0 { // before Linux 5.8
		if root, err = inTable(fd, id.Mount); err != nil {
			return ID{}, false, err
		}
	}
	var unique unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID_UNIQUE, &unique); err == nil && unique.Mask&unix.STATX_MNT_ID_UNIQUE != 0 {
		id.Unique = unique.Mnt_id
	}
	return id, root, nil
}

// fdinfoMount reads a descriptor's mount from /proc.
func fdinfoMount(fd int) (int, error) {
	f, err := os.Open("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(io.LimitReader(f, 64<<10)); lines.Scan(); {
		if v, ok := strings.CutPrefix(lines.Text(), "mnt_id:"); ok {
			return strconv.Atoi(strings.TrimSpace(v))
		}
	}
	return 0, fmt.Errorf("%s names no mount", f.Name())
}

// inTable reports whether a descriptor's own path is where a mount lies.
func inTable(fd, mount int) (bool, error) {
	where, err := os.Readlink(procPath(fd))
	if err != nil {
		return false, err
	}
	t, err := ReadTable()
	if err != nil {
		return false, err
	}
	e, ok := t.ByID(mount)
	return ok && e.Target == where, nil
}
