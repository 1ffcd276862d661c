package beneath

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// mountOf tells mounts apart: a bind mount has the device of what it shows.
func mountOf(fd int) (uint64, error) {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW, unix.STATX_MNT_ID, &st)
	if err == nil && st.Mask&unix.STATX_MNT_ID != 0 { // Linux 5.8
		return st.Mnt_id, nil
	}
	return mountInProc(fd)
}

// mountInProc reads it where the kernel wrote it before there was a call.
func mountInProc(fd int) (uint64, error) {
	text, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return 0, unix.ENOSYS // nothing may be crossed unseen
	}
	for line := range bytes.Lines(text) {
		if id, ok := bytes.CutPrefix(line, []byte("mnt_id:")); ok {
			if n, err := strconv.ParseUint(string(bytes.TrimSpace(id)), 10, 64); err == nil {
				return n, nil
			}
		}
	}
	return 0, unix.ENOSYS
}
