package confine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// linkFile is the file of a directory that records the owners and attributes
// of the symlinks in it: the kernel lets no symlink carry a record itself.
// Archives cannot bring a name that begins so, AUFS has it; whoever believes
// records hides it. Lines are appended, and the last one of a name counts.
const linkFile = ".wh..wh.bulkhead"

// maxLinkFile bounds a linkFile, in bytes.
const maxLinkFile = 64 << 20

// linkLine is a line as it is stored.
type linkLine struct {
	Name []byte `json:"name"`
	// Target says which symlink of that name is meant: one that is made anew
	// is another, unless it leads to the same place.
	Target string      `json:"target"`
	Stat   string      `json:"stat"`
	Xattrs []linkXattr `json:"xattrs,omitempty"`
}

type linkXattr struct {
	Name  []byte `json:"name"`
	Value []byte `json:"value"`
}

// linkRecord is what is recorded of one symlink.
type linkRecord struct {
	target string
	stat   override
	xattrs []layertar.Xattr
}

// linkRecords are those of one directory, by name.
type linkRecords map[string]linkRecord

func targetMark(target string) string {
	sum := sha256.Sum256([]byte(target))
	return hex.EncodeToString(sum[:8])
}

// parseLinks reads a linkFile. Lines that are none are passed over.
func parseLinks(b []byte) linkRecords {
	out := linkRecords{}
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte("\n"))
		var l linkLine
		if json.Unmarshal(line, &l) != nil {
			continue
		}
		o, ok := parseOverride(l.Stat)
		if !ok || o.typ != unix.S_IFLNK || len(l.Name) == 0 {
			continue
		}
		r := linkRecord{target: l.Target, stat: o}
		for _, x := range l.Xattrs {
			r.xattrs = append(r.xattrs, layertar.Xattr{Name: string(x.Name), Value: string(x.Value)})
		}
		out[string(l.Name)] = r
	}
	return out
}

func formatLink(name, target string, o override, xattrs []layertar.Xattr) ([]byte, error) {
	o.typ = unix.S_IFLNK
	l := linkLine{Name: []byte(name), Target: targetMark(target), Stat: o.String()}
	for _, x := range xattrs {
		l.Xattrs = append(l.Xattrs, linkXattr{[]byte(x.Name), []byte(x.Value)})
	}
	b, err := json.Marshal(l)
	return append(b, '\n'), err
}

// find is what is recorded of a symlink that is there, nil for nothing.
func (m linkRecords) find(dirfd int, name string) (*linkRecord, error) {
	r, ok := m[name]
	if !ok {
		return nil, nil
	}
	target, err := readlinkAt(dirfd, name)
	if err != nil || targetMark(target) != r.target {
		return nil, err
	}
	return &r, nil
}

// readLinks reads the linkFile of an open directory if owner wrote it.
func (r *records) readLinks(dirfd int) (linkRecords, error) {
	fd, err := openRegularAt(dirfd, linkFile)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EINVAL) {
		return nil, nil // there is none
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	st, err := statFd(fd)
	if err != nil || st.UID != r.owner {
		return nil, err
	}
	key := linkKey{st.Dev, st.Ino, st.Size, st.Ctim}
	if known := r.recent.get(key); known != nil {
		return known, nil
	}
	b, err := io.ReadAll(io.LimitReader(fdReader(fd), maxLinkFile+1))
	if err == nil && len(b) > maxLinkFile {
		err = unix.EFBIG
	}
	if err != nil {
		return nil, &PathError{Op: "read", Path: linkFile, Err: err}
	}
	links := parseLinks(b)
	r.recent.put(key, links)
	return links, nil
}

// appendLink adds a line to the linkFile of a directory; unless make is set
// only if there is one already.
func appendLink(m *Meter, dirfd int, line []byte, make bool) error {
	fd, held, err := m.opened(false, func() (int, error) { return openLinkFile(m, dirfd, make) })
	if err != nil || fd < 0 {
		return err
	}
	defer unix.Close(fd)
	defer held.Close(fd)
	st, err := statFd(fd)
	if err == nil && st.Size+int64(len(line)) > maxLinkFile {
		err = unix.EFBIG
	}
	if err != nil {
		return err
	}
	_, err = held.Write(fd, -1, len(line), func() (int, error) { return len(line), writeAll(fd, line) })
	return err
}

// passOn records of a name that a symlink is about to get what is recorded of
// the one it has. A line for what then does not come counts for nothing.
func (r *records) passOn(m *Meter, fromDir int, from string, toDir int, to string) error {
	if r == nil {
		return nil
	}
	st, err := statAt(fromDir, from)
	if err != nil || st.Type() != unix.S_IFLNK {
		return nil // what is about to be done says what is wrong
	}
	links, err := r.readLinks(fromDir)
	if err != nil {
		return err
	}
	l, err := links.find(fromDir, from)
	if l == nil || err != nil {
		return err
	}
	target, err := readlinkAt(fromDir, from)
	if err != nil {
		return err
	}
	line, err := formatLink(to, target, l.stat, l.xattrs)
	if err != nil {
		return err
	}
	return appendLink(m, toDir, line, true)
}

// openLinkFile opens a linkFile to append to it; -1 if there is none. What is
// there is looked at before it is opened.
func openLinkFile(m *Meter, dirfd int, make bool) (int, error) {
	if make {
		fd := -1
		err := m.create(0, func() (err error) {
			fd, err = unix.Openat(dirfd, linkFile, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_APPEND|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
			return err
		})
		if !errors.Is(err, unix.EEXIST) {
			return fd, err
		}
	}
	there, err := openat2(dirfd, linkFile, unix.O_PATH|unix.O_NOFOLLOW, 0, NoLinks)
	if errors.Is(err, unix.ENOENT) && !make {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	defer unix.Close(there)
	st, err := statFd(there)
	if err != nil {
		return -1, err
	}
	if st.Type() != unix.S_IFREG {
		if !make {
			return -1, nil
		}
		return -1, unix.EEXIST
	}
	return unix.Open(procPath(there), unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
}

// withoutLinkFile takes a linkFile out of a directory's names.
func withoutLinkFile(names []rawName) (rest []rawName, had bool) {
	i, had := slices.BinarySearchFunc(names, linkFile, func(n rawName, name string) int {
		return bytes.Compare([]byte(n.name), []byte(name))
	})
	if had {
		names = slices.Delete(names, i, i+1)
	}
	return names, had
}

// rmdirAt removes a directory that holds nothing but a linkFile, if anything.
func rmdirAt(m *Meter, dirfd int, name string) error {
	err := m.unlink(dirfd, name, unix.AT_REMOVEDIR)
	if !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
		return err
	}
	fd, oerr := openDirAt(dirfd, name)
	if oerr != nil {
		return err
	}
	defer unix.Close(fd)
	names, rerr := readNames(fd)
	if rerr != nil {
		return rerr
	}
	if rest, had := withoutLinkFile(names); !had || len(rest) > 0 {
		return err
	}
	if err := m.unlink(fd, linkFile, 0); err != nil {
		return err
	}
	return m.unlink(dirfd, name, unix.AT_REMOVEDIR)
}
