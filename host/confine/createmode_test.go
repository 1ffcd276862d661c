package confine

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

func modes(t *testing.T, root string, want map[string]uint32) {
	t.Helper()
	for p, mode := range want {
		var st unix.Stat_t
		must(t, unix.Lstat(filepath.Join(root, p), &st))
		if st.Mode&0o7777 != mode {
			t.Errorf("%s: mode %04o, want %04o", p, st.Mode&0o7777, mode)
		}
	}
}

func withMode(e *layertar.Entry, mode uint32) *layertar.Entry {
	e.Mode = mode
	return e
}

func TestModesAreTheArchivesWhateverTheMaskIs(t *testing.T) {
	for _, mask := range []int{0, 0o022, 0o077, 0o777} {
		root := t.TempDir()
		d := opened(t, root)
		old := unix.Umask(mask)
		_, err := apply(d, ApplyOptions{},
			withMode(file("plain", "x"), 0o644), withMode(file("open", "x"), 0o777), withMode(file("secret", "x"), 0o600),
			withMode(file("setid", "x"), 0o4755), withMode(file("sticky", "x"), 0o1666))
		unix.Umask(old)
		must(t, err)
		modes(t, root, map[string]uint32{"plain": 0o644, "open": 0o777, "secret": 0o600, "setid": 0o4755, "sticky": 0o1666})
	}
}

// aclOf makes a default ACL of three modes; see linux/posix_acl_xattr.h.
func aclOf(user, group, other uint16) string {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range []struct{ tag, perm uint16 }{{0x01, user}, {0x04, group}, {0x20, other}} {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, 0xffffffff)
	}
	return string(b)
}

func TestModesAreTheArchivesWhateverADirectoryPassesOn(t *testing.T) {
	root := t.TempDir()
	acl := aclOf(7, 0, 0)
	if err := unix.Setxattr(root, defaultACL, []byte(acl), 0); errors.Is(err, unix.ENOTSUP) {
		t.Skip("the file system has no ACLs")
	}
	must(t, unix.Removexattr(root, defaultACL))
	defer unix.Umask(unix.Umask(0o022))
	strict := func() *layertar.Entry {
		e := entry(layertar.Dir, "d", "")
		e.Xattrs = []layertar.Xattr{{Name: defaultACL, Value: acl}}
		return e
	}
	_, err := apply(opened(t, root), ApplyOptions{},
		entry(layertar.Dir, "d", ""), withMode(file("d/before", "x"), 0o644),
		strict(), withMode(file("d/after", "x"), 0o644),
		entry(layertar.Dir, "d/deeper", ""), withMode(file("d/deeper/f", "x"), 0o644))
	must(t, err)
	modes(t, root, map[string]uint32{"d/before": 0o644, "d/after": 0o644, "d/deeper/f": 0o644})
}

func TestAMaskThatCannotBeReadIsTakenToHideEverything(t *testing.T) {
	name := filepath.Join(t.TempDir(), "status")
	for text, want := range map[string]uint32{"": allBits, "Name:\tx\n": allBits, "Umask:\tx\n": allBits, "Name:\tx\nUmask:\t0027\n": 0o027} {
		must(t, os.WriteFile(name, []byte(text), 0o600))
		if got := maskOf(name); got != want {
			t.Errorf("%q: %04o, want %04o", text, got, want)
		}
	}
	if got := maskOf(name + "-missing"); got != allBits {
		t.Errorf("no file: %04o", got)
	}
}
