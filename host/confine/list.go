package confine

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Name is one name of a directory and its lstat.
type Name struct {
	Name  string
	Stat  Stat
	Attrs uint64 // digest of extended attributes, if asked for

	layer  int  // of a Stack
	opaque bool // a directory that hides what lies beneath it
	link   *linkRecord
}

// Lister lists directories with everything a comparison needs. Its digests
// compare with each other only. It may be used concurrently.
type Lister struct{ seed maphash.Seed }

// NewLister returns a Lister with a seed of its own, so that no tree can be
// made whose digests collide.
func NewLister() *Lister { return &Lister{seed: maphash.MakeSeed()} }

// read reads one directory, sorted by the bytes of its names. opaque, if not
// "", is the attribute by which a directory hides others.
func (l *Lister) read(d *Dir, p string, attrs bool, opaque string) ([]Name, error) {
	return l.some(d, p, nil, attrs, opaque)
}

// some is read for those of these names that are there; nil is for all.
func (l *Lister) some(d *Dir, p string, want []string, attrs bool, opaque string) ([]Name, error) {
	var out []Name
	err := d.each(p, want, func(n int) { out = make([]Name, 0, n) }, func(dirfd int, n Name) error {
		looks := opaque != "" && n.Stat.Type() == unix.S_IFDIR
		if attrs || looks {
			has, err := hasXattrs(dirfd, n.Name)
			if err == nil && (has || n.link != nil) {
				err = l.attrs(d.rec, dirfd, &n, attrs, looks, opaque)
			}
			if err != nil && err != unix.ENOENT {
				return err
			}
		}
		out = append(out, n)
		return nil
	})
	return out, err
}

// each looks at the names of a directory, sorted by their bytes; want is for
// those of them that are there, nil for all. room is told first how many there
// are at most.
func (d *Dir) each(p string, want []string, room func(n int), visit func(dirfd int, n Name) error) error {
	fd, err := d.open(p, unix.O_RDONLY|unix.O_DIRECTORY, 0, NoLinks)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	raw, links, err := d.rec.some(fd, want)
	if err != nil {
		return &PathError{Op: "read directory", Path: p, Err: err}
	}
	room(len(raw))
	for _, n := range raw {
		st, err := statAt(fd, n.name)
		var link *linkRecord
		if err == nil {
			link, err = d.rec.show(fd, n.name, &st, links)
		}
		if err == unix.ENOENT {
			continue // gone meanwhile
		}
		if err == nil {
			err = visit(fd, Name{Name: n.name, Stat: st, link: link})
		}
		if err != nil {
			return &PathError{Op: "read", Path: join(clean(p), n.name), Err: err}
		}
	}
	return nil
}

// Directories are the names in a directory that are directories, sorted by their
// bytes.
func (d *Dir) Directories(p string) ([]string, error) {
	fd, err := d.open(p, unix.O_RDONLY|unix.O_DIRECTORY, 0, NoLinks)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	raw, err := readNames(fd)
	if err != nil {
		return nil, &PathError{Op: "read directory", Path: p, Err: err}
	}
	var out []string
	for _, n := range raw {
		is := n.typ == unix.DT_DIR
		if n.typ == unix.DT_UNKNOWN {
			st, err := statAt(fd, n.name)
			if err != nil && err != unix.ENOENT {
				return nil, &PathError{Op: "read", Path: join(clean(p), n.name), Err: err}
			}
			is = err == nil && st.Type() == unix.S_IFDIR
		}
		if is {
			out = append(out, n.name)
		}
	}
	return out, nil
}

func (l *Lister) attrs(rec *records, dirfd int, n *Name, digest, looks bool, opaque string) error {
	fd, err := unix.Openat(dirfd, n.Name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if looks {
		v, err := xattrValue(procPath(fd), opaque)
		if err != nil && err != unix.ENODATA {
			return err
		}
		n.opaque = string(v) == "y"
	}
	if digest {
		attrs, err := rec.xattrs(fd, n.link)
		n.Attrs = attrDigest(l.seed, attrs)
		return err
	}
	return nil
}

// sysListxattrat is listxattrat(2), Linux 6.13, the same number everywhere.
const sysListxattrat = 465

// hasXattrs reports whether a name has attributes that matter to anybody here.
// It answers the common case, none, with one system call, and so that of a
// file which an overlay mount has brought up, whose marks matter to the kernel
// only.
func hasXattrs(dirfd int, name string) (bool, error) {
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return false, err
	}
	var buf [1024]byte
	n, _, errno := unix.Syscall6(sysListxattrat, uintptr(dirfd), uintptr(unsafe.Pointer(p)), unix.AT_SYMLINK_NOFOLLOW, uintptr(unsafe.Pointer(&buf)), uintptr(len(buf)), 0)
	switch errno {
	case 0:
		return anyMatters(buf[:n]), nil
	case unix.ENOTSUP:
		return false, nil
	case unix.ERANGE:
		return true, nil
	case unix.ENOSYS, unix.EPERM: // an older kernel, or a filter before it
		m, err := unix.Llistxattr(procPath(dirfd)+"/"+name, buf[:])
		switch err {
		case nil:
			return anyMatters(buf[:m]), nil
		case unix.ENOTSUP:
			return false, nil
		case unix.ERANGE:
			return true, nil
		}
		return false, err
	}
	return false, errno
}

// anyMatters looks through a list of attributes' names, each with its NUL.
func anyMatters(list []byte) bool {
	for len(list) > 0 {
		name, rest, _ := bytes.Cut(list, []byte{0})
		list = rest
		if n := string(name); kept(n) || strings.HasPrefix(n, recordPrefix) || n == opaqueAttr(false) || n == opaqueAttr(true) {
			return true
		}
	}
	return false
}

type rawName struct {
	name string
	ino  uint64
	typ  uint8
}

// readNames reads all names of an open directory but "." and "..", sorted.
func readNames(fd int) ([]rawName, error) { return readNamesBy(fd, make([]byte, 32<<10)) }

// readNamesBy is readNames with a buffer.
func readNamesBy(fd int, buf []byte) ([]rawName, error) {
	var out []rawName
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n <= 0 {
			break
		}
		out = appendDirents(out, buf[:n])
	}
	slices.SortFunc(out, func(a, b rawName) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// appendDirents takes the names out of linux_dirent64 records: u64 inode,
// i64 offset, u16 length, u8 type, name with a final NUL.
func appendDirents(out []rawName, b []byte) []rawName {
	for len(b) >= 19 {
		reclen := int(binary.NativeEndian.Uint16(b[16:]))
		if reclen < 19 || reclen > len(b) {
			return out
		}
		name := b[19:reclen]
		if i := slices.Index(name, 0); i >= 0 {
			name = name[:i]
		}
		if s := string(name); s != "." && s != ".." {
			out = append(out, rawName{name: s, ino: binary.NativeEndian.Uint64(b), typ: b[18]})
		}
		b = b[reclen:]
	}
	return out
}
