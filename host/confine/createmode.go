package confine

import (
	"bufio"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// A file has the mode that it was opened with, and needs no chmod, where
// neither the process's mask nor a default ACL of its directory takes bits
// away. Set-id bits come last in any case, since writing takes them away.

// defaultACL is the attribute of a directory from which its files inherit.
const defaultACL = "system.posix_acl_default"

// allBits stands for a mask that is not known.
const allBits = 0o7777

// maskOf is the process's file mode creation mask. It is read, since asking
// umask(2) would change it for everybody for a moment.
func maskOf(status string) uint32 {
	f, err := os.Open(status)
	if err != nil {
		return allBits
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		text, ok := strings.CutPrefix(lines.Text(), "Umask:")
		if !ok {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(text), 8, 32)
		if err != nil {
			return allBits
		}
		return uint32(mask)
	}
	return allBits
}

// createMode is what to open a file with, and whether it then has the mode
// that its entry says. One that is to be given away shows to nobody before.
func (a *Applier) createMode(h *parent, e *layertar.Entry, own bool) (mode uint32, right bool) {
	if a.keeper != nil || !own || h.inherits.Load() || e.Mode&(a.mask|^uint32(0o777)) != 0 {
		return 0o600, false
	}
	return e.Mode, true
}

// hasDefaultACL tells whether what is made in a directory inherits from it.
func hasDefaultACL(fd int) bool {
	_, err := unix.Getxattr(procPath(fd), defaultACL, nil)
	return !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP)
}

// beforeACL makes files be looked after in a directory that an entry is about
// to give a default ACL, which another entry may have had opened before.
func (a *Applier) beforeACL(fd int, e *layertar.Entry) error {
	if !slices.ContainsFunc(e.Xattrs, func(x layertar.Xattr) bool { return x.Name == defaultACL }) {
		return nil
	}
	st, err := statFd(fd)
	if err != nil {
		return err
	}
	for _, h := range a.open {
		if h.ino == st.Ino {
			h.inherits.Store(true)
		}
	}
	a.flying.Wait() // for files that are being made as if there were none
	return nil
}
