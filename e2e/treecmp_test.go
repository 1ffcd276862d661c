//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// file is what a tree says of one name.
type file struct {
	stat   unix.Stat_t
	link   string
	xattrs map[string]string
}

// compareTrees lists how two trees differ, sorted by path: in names, types,
// modes, owners, sizes and contents of files, targets of symlinks, device
// numbers, times of modification, extended attributes, and in which names are
// hard links of one another. Names are bytes.
func compareTrees(t testing.TB, a, b string) []string {
	t.Helper()
	ta, tb := readTree(t, a), readTree(t, b)
	names := maps.Clone(ta)
	maps.Copy(names, tb)
	var both, diffs []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fa, inA := ta[name]
		fb, inB := tb[name]
		switch {
		case !inB:
			diffs = append(diffs, fmt.Sprintf("%q: only in the first", name))
		case !inA:
			diffs = append(diffs, fmt.Sprintf("%q: only in the second", name))
		default:
			both = append(both, name)
			for _, d := range compareFiles(t, filepath.Join(a, name), filepath.Join(b, name), fa, fb) {
				diffs = append(diffs, fmt.Sprintf("%q: %s", name, d))
			}
		}
	}
	firstA, firstB := firstNames(ta, both), firstNames(tb, both)
	for _, name := range both {
		if firstA[name] != firstB[name] {
			diffs = append(diffs, fmt.Sprintf("%q: a link of %q, and of %q", name, firstA[name], firstB[name]))
		}
	}
	return diffs
}

func compareFiles(t testing.TB, a, b string, fa, fb *file) (diffs []string) {
	t.Helper()
	differ := func(what string, a, b any) {
		if a != b {
			diffs = append(diffs, fmt.Sprintf("%s %v, and %v", what, a, b))
		}
	}
	ka, kb := fa.stat.Mode&unix.S_IFMT, fb.stat.Mode&unix.S_IFMT
	differ("type", fmt.Sprintf("%#o", ka), fmt.Sprintf("%#o", kb))
	differ("mode", fmt.Sprintf("%04o", fa.stat.Mode&0o7777), fmt.Sprintf("%04o", fb.stat.Mode&0o7777))
	differ("uid", fa.stat.Uid, fb.stat.Uid)
	differ("gid", fa.stat.Gid, fb.stat.Gid)
	at := func(f *file) string {
		return time.Unix(f.stat.Mtim.Unix()).UTC().Format(time.RFC3339Nano)
	}
	differ("mtime", at(fa), at(fb))
	names := maps.Clone(fa.xattrs)
	maps.Copy(names, fb.xattrs)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		va, inA := fa.xattrs[name]
		vb, inB := fb.xattrs[name]
		if inA != inB || va != vb {
			diffs = append(diffs, fmt.Sprintf("xattr %q %q (%t), and %q (%t)", name, va, inA, vb, inB))
		}
	}
	if ka != kb {
		return diffs
	}
	switch ka {
	case unix.S_IFREG:
		differ("size", fa.stat.Size, fb.stat.Size)
		if fa.stat.Size == fb.stat.Size {
			if at := firstDifference(t, a, b); at >= 0 {
				diffs = append(diffs, fmt.Sprintf("content from byte %d", at))
			}
		}
	case unix.S_IFLNK:
		differ("target", fmt.Sprintf("%q", fa.link), fmt.Sprintf("%q", fb.link))
	case unix.S_IFCHR, unix.S_IFBLK:
		differ("device", fa.stat.Rdev, fb.stat.Rdev)
	}
	return diffs
}

func readTree(t testing.TB, root string) map[string]*file {
	t.Helper()
	tree := map[string]*file{}
	err := filepath.WalkDir(root, func(p string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		f := &file{}
		if err := unix.Lstat(p, &f.stat); err != nil {
			return fmt.Errorf("lstat %q: %w", p, err)
		}
		if f.stat.Mode&unix.S_IFMT == unix.S_IFLNK {
			if f.link, err = os.Readlink(p); err != nil {
				return err
			}
		}
		tree[rel] = f
		f.xattrs, err = readXattrs(p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func readXattrs(p string) (map[string]string, error) {
	names := make([]byte, 64<<10)
	n, err := unix.Llistxattr(p, names)
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("attributes of %q: %w", p, err)
	}
	all, value := map[string]string{}, make([]byte, 64<<10)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		n, err := unix.Lgetxattr(p, name, value)
		if err != nil {
			return nil, fmt.Errorf("attribute %q of %q: %w", name, p, err)
		}
		all[name] = string(value[:n])
	}
	return all, nil
}

// firstDifference is the offset at which two files differ, -1 if nowhere.
func firstDifference(t testing.TB, a, b string) int64 {
	t.Helper()
	open := func(p string) *os.File {
		f, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	fa, fb := open(a), open(b)
	defer fa.Close()
	defer fb.Close()
	ba, bb := make([]byte, 64<<10), make([]byte, 64<<10)
	for at := int64(0); ; {
		na, err := io.ReadFull(fa, ba)
		nb, err2 := io.ReadFull(fb, bb)
		if !bytes.Equal(ba[:na], bb[:nb]) {
			for i := range min(na, nb) {
				if ba[i] != bb[i] {
					return at + int64(i)
				}
			}
			return at + int64(min(na, nb))
		}
		at += int64(na)
		for _, err := range []error{err, err2} {
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatal(err)
			}
		}
		if err != nil || err2 != nil {
			return -1
		}
	}
}

// firstNames gives for each name the first one of the same inode: two trees
// with the same names have the same groups of hard links where these are equal.
func firstNames(tree map[string]*file, sorted []string) map[string]string {
	type inode struct{ dev, ino uint64 }
	seen, first := map[inode]string{}, map[string]string{}
	for _, name := range sorted {
		at := inode{tree[name].stat.Dev, tree[name].stat.Ino}
		if seen[at] == "" {
			seen[at] = name
		}
		first[name] = seen[at]
	}
	return first
}

func TestTheTreeComparerFindsEachDifference(t *testing.T) {
	t.Parallel()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := time.Unix(1_600_000_000, 123_456_789)
	const odd = "d/\xff\n name"
	build := func() string {
		root := t.TempDir()
		p := func(s string) string { return filepath.Join(root, s) }
		check(os.Mkdir(p("d"), 0o755))
		check(os.WriteFile(p("f"), bytes.Repeat([]byte("x"), 200_000), 0o644))
		check(os.WriteFile(p(odd), []byte("bytes"), 0o600))
		check(os.Symlink("f", p("s")))
		check(os.Link(p("f"), p("d/f2")))
		check(os.WriteFile(p("single"), []byte("s"), 0o644))
		check(unix.Mkfifo(p("fifo"), 0o640))
		if os.Geteuid() == 0 {
			check(unix.Mknod(p("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
		}
		return root
	}
	settle := func(root string) {
		ts := unix.NsecToTimespec(at.UnixNano())
		check(filepath.WalkDir(root, func(p string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
		}))
	}
	touch := func(p string) error {
		ts := unix.NsecToTimespec(at.UnixNano() + 1)
		return unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
	}
	replace := func(p string, f func() error) error { return errors.Join(os.Remove(p), f()) }
	for name, test := range map[string]struct {
		change func(p func(string) string) error
		late   bool // a time, which settle would undo
		root   bool
		want   []string
	}{
		"nothing":     {change: func(func(string) string) error { return nil }},
		"a name more": {change: func(p func(string) string) error { return os.WriteFile(p("new"), nil, 0o644) }, want: []string{`"new": only in the second`}},
		"a name less": {change: func(p func(string) string) error { return os.Remove(p("single")) }, want: []string{`"single": only in the first`}},
		"other bytes": {change: func(p func(string) string) error { return os.Rename(p(odd), p("d/\xfe")) }, want: []string{`"d/\xfe": only in the second`, `"d/\xff\n name": only in the first`}},
		"a type": {change: func(p func(string) string) error {
			return replace(p("s"), func() error { return unix.Mkfifo(p("s"), 0o700) })
		}, want: []string{`"s": type 0120000, and 010000`, `"s": mode 0777, and 0700`}},
		"a mode":             {change: func(p func(string) string) error { return os.Chmod(p("single"), 0o600) }, want: []string{`"single": mode 0644, and 0600`}},
		"setuid":             {change: func(p func(string) string) error { return os.Chmod(p("single"), 0o644|os.ModeSetuid) }, want: []string{`"single": mode 0644, and 4644`}},
		"a directory's mode": {change: func(p func(string) string) error { return os.Chmod(p("d"), 0o755|os.ModeSticky) }, want: []string{`"d": mode 0755, and 1755`}},
		"a uid":              {root: true, change: func(p func(string) string) error { return os.Lchown(p("s"), 7, 0) }, want: []string{`"s": uid 0, and 7`}},
		"a gid":              {root: true, change: func(p func(string) string) error { return os.Lchown(p("d"), 0, 8) }, want: []string{`"d": gid 0, and 8`}},
		"a size":             {change: func(p func(string) string) error { return os.Truncate(p("single"), 2) }, want: []string{`"single": size 1, and 2`}},
		"content":            {change: func(p func(string) string) error { return os.WriteFile(p("single"), []byte("t"), 0o644) }, want: []string{`"single": content from byte 0`}},
		"content far in":     {change: func(p func(string) string) error { return writeAt(p("f"), 150_000) }, want: []string{`"d/f2": content from byte 150000`, `"f": content from byte 150000`}},
		"a symlink's target": {change: func(p func(string) string) error {
			return replace(p("s"), func() error { return os.Symlink("g", p("s")) })
		}, want: []string{`"s": target "f", and "g"`}},
		"a device": {root: true, change: func(p func(string) string) error {
			return replace(p("null"), func() error { return unix.Mknod(p("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))) })
		}, want: []string{`"null": device 259, and 261`}},
		"a file's mtime":        {late: true, change: func(p func(string) string) error { return touch(p("single")) }, want: []string{`"single": mtime 2020-09-13T12:26:40.123456789Z, and 2020-09-13T12:26:40.12345679Z`}},
		"a directory's mtime":   {late: true, change: func(p func(string) string) error { return touch(p("d")) }, want: []string{`"d": mtime 2020-09-13T12:26:40.123456789Z, and 2020-09-13T12:26:40.12345679Z`}},
		"the root's mtime":      {late: true, change: func(p func(string) string) error { return touch(p(".")) }, want: []string{`".": mtime 2020-09-13T12:26:40.123456789Z, and 2020-09-13T12:26:40.12345679Z`}},
		"a symlink's mtime":     {late: true, change: func(p func(string) string) error { return touch(p("s")) }, want: []string{`"s": mtime 2020-09-13T12:26:40.123456789Z, and 2020-09-13T12:26:40.12345679Z`}},
		"an attribute":          {change: func(p func(string) string) error { return unix.Setxattr(p("single"), "user.x", nil, 0) }, want: []string{`"single": xattr "user.x" "" (false), and "" (true)`}},
		"a symlink's attribute": {root: true, change: func(p func(string) string) error { return unix.Lsetxattr(p("s"), "trusted.x", []byte("v"), 0) }, want: []string{`"s": xattr "trusted.x" "" (false), and "v" (true)`}},
		"a link less": {change: func(p func(string) string) error {
			return replace(p("f"), func() error { return copyOf(p("d/f2"), p("f")) })
		}, want: []string{`"f": a link of "d/f2", and of "f"`}},
		"a link more": {change: func(p func(string) string) error {
			return replace(p("single"), func() error { return os.Link(p(odd), p("single")) })
		}, want: []string{`"single": mode 0644, and 0600`, `"single": size 1, and 5`, `"single": a link of "single", and of "d/\xff\n name"`}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.root && os.Geteuid() != 0 {
				t.Skip("needs root")
			}
			a, b := build(), build()
			p := func(s string) string { return filepath.Join(b, s) }
			settle(a)
			if !test.late {
				check(test.change(p))
			}
			settle(b)
			if test.late {
				check(test.change(p))
			}
			if got := compareTrees(t, a, b); !slices.Equal(got, test.want) {
				t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func writeAt(p string, off int64) error {
	f, err := os.OpenFile(p, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte("y"), off)
	return errors.Join(err, f.Close())
}

func copyOf(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}
