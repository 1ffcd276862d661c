package confine

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// recordPrefix begins the names of attributes that record what an inode was
// to have: its stat, or another attribute that this user may not set. Podman
// and fuse-overlayfs use the same names in the same way.
const (
	recordPrefix = layertar.RecordPrefix
	recordStat   = recordPrefix + "stat"
)

// override is the value of recordStat: "uid:gid:0mode", and ":type" for what
// a regular, empty file stands in for. (containers/storage, pkg/idtools.)
type override struct {
	uid, gid uint32
	mode     uint32 // the low twelve bits of st_mode
	typ      uint32 // S_IFMT, 0 if it says nothing
	rdev     uint64
}

// overrideTypes are the names of types. A device's has its numbers behind it.
var overrideTypes = [...]struct {
	name string
	typ  uint32
}{
	{"file", unix.S_IFREG}, {"dir", unix.S_IFDIR}, {"symlink", unix.S_IFLNK}, {"pipe", unix.S_IFIFO},
	{"socket", unix.S_IFSOCK}, {"block", unix.S_IFBLK}, {"char", unix.S_IFCHR},
}

// overrideOf records a stat; the type only if a file stands in for it.
func overrideOf(st *Stat) override {
	o := override{uid: st.UID, gid: st.GID, mode: st.Mode & 0o7777}
	if standsIn(st.Type()) {
		o.typ, o.rdev = st.Type(), st.Rdev
	}
	return o
}

// standsIn reports whether a type is recorded on a regular, empty file where
// it cannot be made, or cannot carry its record.
func standsIn(typ uint32) bool {
	return typ == unix.S_IFCHR || typ == unix.S_IFBLK || typ == unix.S_IFIFO
}

func (o *override) String() string {
	s := fmt.Sprintf("%d:%d:%04o", o.uid, o.gid, o.mode)
	for _, t := range overrideTypes {
		if t.typ != o.typ {
			continue
		}
		s += ":" + t.name
		if o.typ == unix.S_IFBLK || o.typ == unix.S_IFCHR {
			s += fmt.Sprintf("-%d-%d", unix.Major(o.rdev), unix.Minor(o.rdev))
		}
	}
	return s
}

// parseOverride reads a record, which anybody may have written who can write
// to the file. What is malformed is no record.
func parseOverride(s string) (o override, ok bool) {
	if len(s) > 128 {
		return override{}, false
	}
	parts := strings.Split(s, ":")
	if len(parts) != 3 && len(parts) != 4 {
		return override{}, false
	}
	if o.uid, ok = number(parts[0], 10, 1<<32-2); !ok {
		return override{}, false
	}
	if o.gid, ok = number(parts[1], 10, 1<<32-2); !ok {
		return override{}, false
	}
	if o.mode, ok = number(parts[2], 8, 0o7777); !ok {
		return override{}, false
	}
	if len(parts) == 4 {
		if o.typ, o.rdev, ok = parseType(parts[3]); !ok {
			return override{}, false
		}
	}
	return o, true
}

func parseType(s string) (typ uint32, rdev uint64, ok bool) {
	name, numbers, device := strings.Cut(s, "-")
	for _, t := range overrideTypes {
		if t.name != name || device != (t.typ == unix.S_IFBLK || t.typ == unix.S_IFCHR) {
			continue
		}
		if !device {
			return t.typ, 0, true
		}
		a, b, _ := strings.Cut(numbers, "-")
		major, ok := number(a, 10, 0xfff)
		minor, ok2 := number(b, 10, 0xfffff)
		return t.typ, unix.Mkdev(major, minor), ok && ok2
	}
	return 0, 0, false
}

// number reads digits only, up to most.
func number(s string, base int, most uint64) (uint32, bool) {
	if strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, base, 32)
	return uint32(n), err == nil && n <= most
}

// carried is the mode that an inode has on disk whose owner and mode are
// recorded: its owner can always use it, and no set-id bit works for an owner
// who is not the recorded one.
func carried(mode, typ uint32, owned bool) uint32 {
	mode |= 0o600
	if typ == unix.S_IFDIR {
		mode |= 0o100
	}
	if !owned {
		mode &^= unix.S_ISUID | unix.S_ISGID
	}
	return mode
}

// over changes an lstat to what is recorded. A mode that is not the one which
// was made with the record was given since, and holds; and a file that stands
// in for a device until somebody writes to it.
func (o *override) over(st *Stat) {
	typ := st.Type()
	if o.typ != 0 && o.typ != typ && !(standsIn(o.typ) && typ == unix.S_IFREG) {
		return
	}
	mode := st.Mode & 0o7777
	if typ != unix.S_IFLNK && mode == carried(o.mode, typ, o.uid == st.UID && o.gid == st.GID) {
		mode = o.mode
	}
	if standsIn(o.typ) && st.Size == 0 {
		typ, st.Rdev = o.typ, o.rdev
	}
	st.UID, st.GID, st.Mode = o.uid, o.gid, typ|mode
}
