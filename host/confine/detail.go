package confine

import (
	"encoding/hex"
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// Detail is a name with all that an archive could say of it.
type Detail struct {
	Name   string
	Stat   Stat
	Link   string
	Xattrs []layertar.Xattr
	Opaque bool // it hides what lies beneath, in either of overlay's forms
}

// Kind is what an archive would call it; 0 for what none can hold.
func (d *Detail) Kind() layertar.Kind {
	switch d.Stat.Type() {
	case unix.S_IFREG:
		return layertar.File
	case unix.S_IFDIR:
		return layertar.Dir
	case unix.S_IFLNK:
		return layertar.Symlink
	case unix.S_IFBLK:
		return layertar.Block
	case unix.S_IFIFO:
		return layertar.Fifo
	case unix.S_IFCHR:
		if isWhiteout(&d.Stat) {
			return layertar.Whiteout
		}
		return layertar.Char
	}
	return 0
}

// Major is the first part of a device's number, 0 if it is none.
func (d *Detail) Major() uint32 {
	if !d.device() {
		return 0
	}
	return unix.Major(d.Stat.Rdev)
}

// Minor is the other part.
func (d *Detail) Minor() uint32 {
	if !d.device() {
		return 0
	}
	return unix.Minor(d.Stat.Rdev)
}

func (d *Detail) device() bool {
	return d.Stat.Type() == unix.S_IFCHR || d.Stat.Type() == unix.S_IFBLK
}

// Details reads one directory, sorted by the bytes of its names; without full
// neither symlinks nor attributes are read.
func (l *Lister) Details(d *Dir, p string, full bool) ([]Detail, error) {
	var out []Detail
	err := d.each(p, nil, func(n int) { out = make([]Detail, 0, n) }, func(dirfd int, n Name) error {
		det := Detail{Name: n.Name, Stat: n.Stat}
		if full {
			if err := det.fill(d.rec, dirfd, n.link); err != nil {
				return err
			}
		}
		out = append(out, det)
		return nil
	})
	return out, err
}

// Self is the directory itself, without a name.
func (l *Lister) Self(d *Dir) (Detail, error) {
	st, _, err := d.look(d.fd, ".", NoLinks)
	if err != nil {
		return Detail{}, err
	}
	det := Detail{Stat: st}
	return det, det.attrs(d.rec, d.fd, nil)
}

func (d *Detail) fill(rec *records, dirfd int, link *linkRecord) error {
	has, err := hasXattrs(dirfd, d.Name)
	if err != nil || !has && d.Stat.Type() != unix.S_IFLNK {
		return err
	}
	fd, err := unix.Openat(dirfd, d.Name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if d.Stat.Type() == unix.S_IFLNK {
		if d.Link, err = readlinkFd(fd); err != nil {
			return err
		}
	}
	if !has && link == nil {
		return nil
	}
	return d.attrs(rec, fd, link)
}

func (d *Detail) attrs(rec *records, fd int, link *linkRecord) (err error) {
	if d.Xattrs, err = rec.xattrs(fd, link); err != nil || d.Stat.Type() != unix.S_IFDIR {
		return err
	}
	p := procPath(fd)
	names, err := xattrNames(p)
	if err != nil {
		return err
	}
	for _, user := range []bool{false, true} {
		if attr := opaqueAttr(user); slices.Contains(names, attr) {
			v, err := xattrValue(p, attr)
			if err != nil {
				return err
			}
			d.Opaque = d.Opaque || string(v) == "y"
		}
	}
	return nil
}

// fsUUID is the answer of FS_IOC_GETFSUUID (Linux 6.9).
type fsUUID struct {
	len  uint8
	uuid [16]byte
}

const ioctlGetUUID = 0x80111500

// FileSystem identifies the file system that the directory lies on: by its
// UUID, or where it tells none by what statfs says; "" if neither says
// anything.
func (d *Dir) FileSystem() string {
	fd, err := d.open(".", unix.O_RDONLY|unix.O_DIRECTORY, 0, NoLinks)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	var u fsUUID
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlGetUUID, uintptr(unsafe.Pointer(&u)))
	if n := int(u.len); errno == 0 && n > 0 && n <= len(u.uuid) {
		return "uuid:" + hex.EncodeToString(u.uuid[:n])
	}
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil || st.Fsid.Val == [2]int32{} {
		return ""
	}
	return fmt.Sprintf("fsid:%x:%08x%08x", st.Type, uint32(st.Fsid.Val[0]), uint32(st.Fsid.Val[1]))
}
