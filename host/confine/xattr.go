package confine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// kept reports whether an extended attribute belongs to the content of a
// layer. Those of overlay file systems, records of what could not be made and
// labels that a machine sets by itself do not.
func kept(name string) bool {
	switch {
	case strings.HasPrefix(name, "trusted.overlay."), strings.HasPrefix(name, "user.overlay."):
		return false
	case strings.HasPrefix(name, recordPrefix):
		return false
	case name == "security.selinux", name == "security.ima", name == "security.evm":
		return false
	}
	return true
}

// xattrsOf reads the extended attributes of the inode behind p, which is a
// procPath, sorted by name. A file system without them has none.
func xattrsOf(p string) ([]layertar.Xattr, error) {
	names, err := xattrNames(p)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	var out []layertar.Xattr
	for _, name := range names {
		if !kept(name) {
			continue
		}
		v, err := xattrValue(p, name)
		if errors.Is(err, unix.ENODATA) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, layertar.Xattr{Name: name, Value: string(v)})
	}
	slices.SortFunc(out, func(a, b layertar.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func xattrNames(p string) ([]string, error) {
	var small [512]byte
	buf := small[:]
	for {
		n, err := unix.Listxattr(p, buf)
		switch {
		case errors.Is(err, unix.ERANGE):
			buf = make([]byte, 64<<10)
			continue
		case errors.Is(err, unix.ENOTSUP):
			return nil, nil
		case err != nil:
			return nil, err
		case n == 0:
			return nil, nil
		}
		var out []string
		for _, b := range bytes.Split(bytes.TrimSuffix(buf[:n], []byte{0}), []byte{0}) {
			out = append(out, string(b))
		}
		return out, nil
	}
}

func xattrValue(p, name string) ([]byte, error) {
	buf := make([]byte, 256)
	for {
		n, err := unix.Getxattr(p, name, buf)
		if errors.Is(err, unix.ERANGE) {
			buf = make([]byte, 64<<10)
			continue
		}
		if err != nil {
			return nil, err
		}
		return buf[:n], nil
	}
}

// attrDigest condenses attributes: 0 for none, and within one seed equal for
// equal sets.
func attrDigest(seed maphash.Seed, attrs []layertar.Xattr) uint64 {
	if len(attrs) == 0 {
		return 0
	}
	var h maphash.Hash
	h.SetSeed(seed)
	var n [8]byte
	for _, a := range attrs {
		binary.LittleEndian.PutUint32(n[:], uint32(len(a.Name)))
		binary.LittleEndian.PutUint32(n[4:], uint32(len(a.Value)))
		h.Write(n[:])
		h.WriteString(a.Name)
		h.WriteString(a.Value)
	}
	return h.Sum64() | 1
}
