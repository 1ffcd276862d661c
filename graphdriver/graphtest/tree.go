package graphtest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Tree is what a directory holds, by path; the root itself is left out, since
// an archive of changes never names it.
type Tree map[string]TreeNode

// TreeNode is all that must survive of one name. It is comparable.
type TreeNode struct {
	Mode     uint32 // st_mode
	UID, GID uint32
	Size     int64
	Rdev     uint64
	Mtime    string
	// Group is the first name of the same inode.
	Group   string
	Content string // digest, or a symlink's target
	Xattrs  string
}

// ReadTree reads the tree at dir. It follows no symlink.
func ReadTree(t testing.TB, dir string) Tree {
	t.Helper()
	out := Tree{}
	groups := map[uint64]string{}
	var walk func(rel string)
	walk = func(rel string) {
		entries, err := os.ReadDir(filepath.Join(dir, rel))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			p := filepath.Join(rel, e.Name())
			n, ino := readNode(t, filepath.Join(dir, p))
			if n.Mode&unix.S_IFMT != unix.S_IFDIR {
				if groups[ino] == "" {
					groups[ino] = p
				}
				n.Group = groups[ino]
			}
			out[p] = n
			if n.Mode&unix.S_IFMT == unix.S_IFDIR {
				walk(p)
			}
		}
	}
	walk("")
	return out
}

// TreeOf is the tree that an archive of all of it tells of.
func TreeOf(t testing.TB, archive []byte) Tree {
	t.Helper()
	out := Tree{}
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if err == io.EOF {
			out.nameGroups()
			return out
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, Listing(archive))
		}
		p := strings.TrimSuffix(h.Name, "/")
		n, ok := out[h.Linkname]
		if h.Typeflag != tar.TypeLink {
			n = nodeOf(t, h, r)
		} else if !ok {
			t.Fatalf("%q is a link to %q, which does not come before it", p, h.Linkname)
		}
		if n.Group == "" && n.Mode&unix.S_IFMT != unix.S_IFDIR {
			n.Group = p
		}
		out[p] = n
	}
}

// nameGroups calls each group by its least name: which of them an archive has
// first says nothing of the tree.
func (t Tree) nameGroups() {
	least := map[string]string{}
	for p, n := range t {
		if was, ok := least[n.Group]; n.Group != "" && (!ok || p < was) {
			least[n.Group] = p
		}
	}
	for p, n := range t {
		if n.Group != "" {
			n.Group = least[n.Group]
			t[p] = n
		}
	}
}

var tarTypes = map[byte]uint32{
	tar.TypeReg: unix.S_IFREG, tar.TypeDir: unix.S_IFDIR, tar.TypeSymlink: unix.S_IFLNK,
	tar.TypeChar: unix.S_IFCHR, tar.TypeBlock: unix.S_IFBLK, tar.TypeFifo: unix.S_IFIFO,
}

func nodeOf(t testing.TB, h *tar.Header, body io.Reader) TreeNode {
	t.Helper()
	n := TreeNode{
		Mode: tarTypes[h.Typeflag] | uint32(h.Mode), UID: uint32(h.Uid), GID: uint32(h.Gid),
		Mtime: h.ModTime.UTC().Format(time.RFC3339Nano), Content: h.Linkname,
	}
	switch h.Typeflag {
	case tar.TypeChar, tar.TypeBlock:
		n.Rdev = unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
	case tar.TypeReg:
		sum := sha256.New()
		size, err := io.Copy(sum, body)
		if err != nil {
			t.Fatal(err)
		}
		n.Size, n.Content = size, fmt.Sprintf("%x", sum.Sum(nil))
	}
	var out []string
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok {
			out = append(out, fmt.Sprintf("%s=%x", name, value))
		}
	}
	slices.Sort(out)
	n.Xattrs = strings.Join(out, " ")
	return n
}

func readNode(t testing.TB, p string) (TreeNode, uint64) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(p, &st); err != nil {
		t.Fatalf("%s: %v", p, err)
	}
	n := TreeNode{
		Mode: st.Mode, UID: st.Uid, GID: st.Gid, Rdev: st.Rdev,
		Mtime:  time.Unix(st.Mtim.Sec, st.Mtim.Nsec).UTC().Format(time.RFC3339Nano),
		Xattrs: xattrs(t, p),
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		n.Size = st.Size
		n.Content = fmt.Sprintf("%x", sha256.Sum256(b))
	case unix.S_IFLNK:
		target, err := os.Readlink(p)
		if err != nil {
			t.Fatal(err)
		}
		n.Content = target
	}
	return n, st.Ino
}

func xattrs(t testing.TB, p string) string {
	t.Helper()
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(p, buf)
	if err == unix.ENOTSUP {
		return ""
	}
	if err != nil {
		t.Fatalf("%s: %v", p, err)
	}
	var out []string
	for _, name := range strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if name == "" || name == "security.selinux" {
			continue
		}
		value := make([]byte, 64<<10)
		m, err := unix.Lgetxattr(p, name, value)
		if err != nil {
			t.Fatalf("%s: %s: %v", p, name, err)
		}
		out = append(out, fmt.Sprintf("%s=%x", name, value[:m]))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// Differences says how two trees differ, a line a path.
func Differences(want, got Tree) []string {
	paths := map[string]struct{}{}
	for p := range want {
		paths[p] = struct{}{}
	}
	for p := range got {
		paths[p] = struct{}{}
	}
	var out []string
	for p := range paths {
		a, inWant := want[p]
		b, inGot := got[p]
		switch {
		case !inGot:
			out = append(out, fmt.Sprintf("%q is missing", p))
		case !inWant:
			out = append(out, fmt.Sprintf("%q is too many", p))
		case a != b:
			out = append(out, fmt.Sprintf("%q: want %+v, got %+v", p, a, b))
		}
	}
	sort.Strings(out)
	return out
}
