package confine

import (
	"errors"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// records makes a Dir show what is recorded of inodes in place of what they
// are, where owner's own inodes have a record. A nil one shows what is.
type records struct {
	owner  uint32
	recent recentLinks
}

// Believe makes d, and what Sub opens beneath it, show recorded owners, modes,
// devices and attributes: Lstat, listings, archives, copies. owner is the user
// who wrote the tree without privileges; a record on an inode of anybody else
// counts for nothing. It comes before any other use of d.
func (d *Dir) Believe(owner uint32) { d.rec = &records{owner: owner} }

// linkKey tells whether a linkFile is the one that was read.
type linkKey struct {
	dev, ino uint64
	size     int64
	ctime    Time
}

// recentLinks keeps the linkFiles read last, for who asks name by name.
type recentLinks struct {
	mu   sync.Mutex
	keys [4]linkKey
	of   [4]linkRecords
	next int
}

func (c *recentLinks) get(k linkKey) linkRecords {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.keys[:], k); i >= 0 {
		return c.of[i]
	}
	return nil
}

func (c *recentLinks) put(k linkKey, l linkRecords) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[c.next], c.of[c.next] = k, l
	c.next = (c.next + 1) % len(c.keys)
}

// hides reports whether p names a linkFile, or something beneath.
func (r *records) hides(p string) bool {
	return r != nil && strings.Contains(p, linkFile) && slices.Contains(strings.Split(p, "/"), linkFile)
}

// names is readNames without the linkFile, and what that holds.
func (r *records) names(fd int) ([]rawName, linkRecords, error) {
	names, err := readNames(fd)
	if r == nil || err != nil {
		return names, nil, err
	}
	names, had := withoutLinkFile(names)
	if !had {
		return names, nil, nil
	}
	links, err := r.readLinks(fd)
	return names, links, err
}

// some is names for those wanted, whether or not they are there; nil is for
// all of them.
func (r *records) some(fd int, want []string) ([]rawName, linkRecords, error) {
	if want == nil || r != nil {
		names, links, err := r.names(fd)
		if want == nil || err != nil {
			return names, links, err
		}
		set := make(map[string]struct{}, len(want))
		for _, name := range want {
			set[name] = struct{}{}
		}
		return slices.DeleteFunc(names, func(n rawName) bool { _, in := set[n.name]; return !in }), links, nil
	}
	out := make([]rawName, 0, len(want))
	for _, name := range want {
		out = append(out, rawName{name: name})
	}
	return out, nil, nil
}

// show changes st, the lstat of a name in an open directory, to what is
// recorded. What a symlink's record says comes back too.
func (r *records) show(dirfd int, name string, st *Stat, links linkRecords) (*linkRecord, error) {
	if r == nil || st.UID != r.owner {
		return nil, nil
	}
	switch st.Type() {
	case unix.S_IFREG, unix.S_IFDIR:
		return nil, showInode(procPath(dirfd)+"/"+name, unix.Lgetxattr, st)
	case unix.S_IFLNK:
		l, err := links.find(dirfd, name)
		if l != nil {
			l.stat.over(st)
		}
		return l, err
	}
	return nil, nil
}

func showInode(p string, get func(p, name string, v []byte) (int, error), st *Stat) error {
	var buf [160]byte
	n, err := get(p, recordStat, buf[:])
	switch {
	case errors.Is(err, unix.ENODATA), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ERANGE):
		return nil
	case err != nil:
		return err
	}
	if o, ok := parseOverride(string(buf[:n])); ok {
		o.over(st)
	}
	return nil
}

// look is the stat of an open inode that lies at p, as recorded.
func (d *Dir) look(fd int, p string, how How) (Stat, *linkRecord, error) {
	st, err := statFd(fd)
	if err != nil || d.rec == nil || st.UID != d.rec.owner {
		return st, nil, err
	}
	if st.Type() != unix.S_IFLNK {
		err := d.rec.lookInode(fd, &st)
		return st, nil, err
	}
	dirfd, name, err := d.parent(p, how)
	if err != nil {
		return st, nil, err
	}
	defer unix.Close(dirfd)
	links, err := d.rec.readLinks(dirfd)
	if err != nil {
		return st, nil, err
	}
	l, err := d.rec.show(dirfd, name, &st, links)
	return st, l, err
}

// lookInode is show for an open inode that is no symlink.
func (r *records) lookInode(fd int, st *Stat) error {
	if r == nil || st.UID != r.owner || st.Type() != unix.S_IFREG && st.Type() != unix.S_IFDIR {
		return nil
	}
	return showInode(procPath(fd), unix.Getxattr, st)
}

// regular refuses what only stands in for something else.
func (r *records) regular(fd int) error {
	if r == nil {
		return nil
	}
	st, err := statFd(fd)
	if err == nil {
		err = r.lookInode(fd, &st)
	}
	if err == nil && standsIn(st.Type()) {
		err = unix.EINVAL // as for a device
	}
	return err
}

// xattrs are the attributes of an open inode, as recorded. link is what is
// recorded of it if it is a symlink.
func (r *records) xattrs(fd int, link *linkRecord) ([]layertar.Xattr, error) {
	p := procPath(fd)
	out, err := xattrsOf(p)
	if r == nil || err != nil {
		return out, err
	}
	if link != nil {
		return withXattrs(out, link.xattrs), nil
	}
	st, err := statFd(fd)
	if err != nil || st.UID != r.owner || st.Type() != unix.S_IFREG && st.Type() != unix.S_IFDIR {
		return out, err
	}
	names, err := xattrNames(p)
	if err != nil {
		return nil, err
	}
	var recorded []layertar.Xattr
	for _, name := range names {
		meant, ok := strings.CutPrefix(name, recordPrefix)
		if !ok || name == recordStat {
			continue
		}
		v, err := xattrValue(p, name)
		if errors.Is(err, unix.ENODATA) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		recorded = append(recorded, layertar.Xattr{Name: meant, Value: string(v)})
	}
	return withXattrs(out, recorded), nil
}

// withXattrs puts recorded attributes among those that are there.
func withXattrs(there, recorded []layertar.Xattr) []layertar.Xattr {
	for _, x := range recorded {
		if !kept(x.Name) {
			continue
		}
		there = slices.DeleteFunc(there, func(y layertar.Xattr) bool { return y.Name == x.Name })
		there = append(there, x)
	}
	slices.SortFunc(there, func(a, b layertar.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return there
}

// isLinkFile reports whether an open inode is known by the name of a linkFile:
// a symlink may have led there.
func (r *records) isLinkFile(fd int) bool {
	if r == nil {
		return false
	}
	at, err := readlinkAt(unix.AT_FDCWD, procPath(fd))
	return err == nil && path.Base(at) == linkFile
}
