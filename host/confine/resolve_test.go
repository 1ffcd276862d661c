package confine

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// nasty makes a tree of links beside a directory that nothing may reach.
func nasty(t *testing.T) (dir *Dir, root string) {
	t.Helper()
	top := t.TempDir()
	root = filepath.Join(top, "home")
	must(t, os.MkdirAll(filepath.Join(root, "a/b/c"), 0o755))
	must(t, os.MkdirAll(filepath.Join(top, "outside"), 0o755))
	must(t, os.WriteFile(filepath.Join(top, "outside/secret"), []byte("secret"), 0o644))
	must(t, os.WriteFile(filepath.Join(root, "a/b/file"), []byte("file"), 0o644))
	must(t, os.MkdirAll(filepath.Join(root, "outside"), 0o755)) // what IN_ROOT makes of it
	must(t, os.WriteFile(filepath.Join(root, "outside/secret"), []byte("inside"), 0o644))
	for name, to := range map[string]string{
		"in": "a/b", "up": "a/..", "abs": "/a/b", "out": "../outside", "far": "../../../../outside", "absout": filepath.Join(top, "outside"),
		"a/b/back": "../../a", "loop": "loop", "loop1": "loop2", "loop2": "loop1", "viaproc": "/proc/self/root", "magic": "/proc/self/fd/1",
		"chain": "chain2", "chain2": "out", "dangling": "nothing", "file": "a/b/file",
	} {
		must(t, os.Symlink(to, filepath.Join(root, name)))
	}
	must(t, unix.Mkfifo(filepath.Join(root, "fifo"), 0o600))
	return opened(t, root), root
}

func opened(t testing.TB, p string) *Dir {
	t.Helper()
	d, err := OpenDir(p)
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPathsResolveAsTheirWayOfResolvingSays(t *testing.T) {
	d, _ := nasty(t)
	const ok = syscall.Errno(0)
	for _, test := range []struct {
		path                     string
		beneath, noLinks, inRoot syscall.Errno
	}{
		{"a/b/file", ok, ok, ok},
		{"in/file", ok, unix.ELOOP, ok},
		{"up/a/b/file", ok, unix.ELOOP, ok},
		{"a/b/back/b/file", ok, unix.ELOOP, ok},
		{"abs/file", unix.EXDEV, unix.ELOOP, ok},
		{"out/secret", unix.EXDEV, unix.ELOOP, ok},
		{"far/secret", unix.EXDEV, unix.ELOOP, ok},
		{"chain/secret", unix.EXDEV, unix.ELOOP, ok},
		{"absout/secret", unix.EXDEV, unix.ELOOP, unix.ENOENT},
		{"loop/x", unix.ELOOP, unix.ELOOP, unix.ELOOP},
		{"loop1/x", unix.ELOOP, unix.ELOOP, unix.ELOOP},
		{"viaproc/etc", unix.EXDEV, unix.ELOOP, unix.ENOENT},
		{"magic", unix.EXDEV, unix.ELOOP, unix.ENOENT},
		{"dangling", unix.ENOENT, unix.ELOOP, unix.ENOENT},
		{"nothing", unix.ENOENT, unix.ENOENT, unix.ENOENT},
		{"a/b/file/x", unix.ENOTDIR, unix.ENOTDIR, unix.ENOTDIR},
	} {
		for how, want := range map[How]syscall.Errno{Beneath: test.beneath, NoLinks: test.noLinks, InRoot: test.inRoot} {
			_, err := d.Stat(test.path, how)
			if want == ok && err != nil || want != ok && !errors.Is(err, want) {
				t.Errorf("%s by %#x: %v, want %v", test.path, uint64(how), err, want)
			}
			if st, err := d.Stat(test.path, how); err == nil && path.Base(test.path) == "secret" {
				f, err := d.OpenRegular(test.path, how)
				must(t, err)
				b := make([]byte, 16)
				n, _ := f.Read(b)
				f.Close()
				if string(b[:n]) != "inside" || st.Size != 6 {
					t.Errorf("%s by %#x reads %q", test.path, uint64(how), b[:n])
				}
			}
		}
	}
}

func TestDotDotNeverLeaves(t *testing.T) {
	d, _ := nasty(t)
	for _, p := range []string{"..", "../outside/secret", "a/../../outside/secret", "/etc/passwd", "a/b/../../../outside"} {
		for _, how := range []How{Beneath, NoLinks} {
			if _, err := d.Stat(p, how); !errors.Is(err, unix.EXDEV) {
				t.Errorf("%q: %v", p, err)
			}
		}
	}
	for _, p := range []string{"..", ".", "", "a/..", "a/.", "a/"} {
		if err := d.Unlink(p, NoLinks); err == nil {
			t.Errorf("unlink %q", p)
		}
	}
}

func TestMountsAreNotCrossed(t *testing.T) {
	d := opened(t, "/")
	for _, how := range []How{Beneath, NoLinks, InRoot} {
		if _, err := d.Stat("proc/self", how); !Escape(err) {
			t.Errorf("%#x: %v", uint64(how), err)
		}
	}
}

func TestALinkItselfIsSeenByNoLinks(t *testing.T) {
	d, _ := nasty(t)
	st, err := d.Lstat("out", NoLinks)
	if err != nil || st.Type() != unix.S_IFLNK {
		t.Errorf("%o %v", st.Mode, err)
	}
	if to, err := d.Readlink("out", NoLinks); err != nil || to != "../outside" {
		t.Errorf("%q %v", to, err)
	}
	if _, err := d.Readlink("a", NoLinks); !errors.Is(err, unix.EINVAL) {
		t.Errorf("%v", err)
	}
	if _, err := d.Sub("in", NoLinks); err == nil {
		t.Error("a link was opened as a directory")
	}
	sub, err := d.Sub("in", Beneath)
	must(t, err)
	must(t, sub.Close())
}

func TestOnlyFilesAndDirectoriesAreOpened(t *testing.T) {
	d, root := nasty(t)
	must(t, os.Link(filepath.Join(root, "a/b/file"), filepath.Join(root, "twin")))
	for _, test := range []struct {
		path  string
		flags int
		how   How
		want  error
	}{
		{"a/b/file", unix.O_RDONLY, Beneath, nil},
		{"file", unix.O_RDONLY, Beneath, nil},
		{"file", unix.O_RDONLY | unix.O_NOFOLLOW, Beneath, unix.ELOOP},
		{"a", unix.O_RDONLY, Beneath, nil},
		{"a", unix.O_RDWR, Beneath, unix.EISDIR},
		{"a/b/file", unix.O_RDONLY | unix.O_DIRECTORY, Beneath, unix.ENOTDIR},
		{"fifo", unix.O_RDONLY, Beneath, unix.EPERM},
		{"fifo", unix.O_RDWR, Beneath, unix.EPERM},
		{"out", unix.O_RDONLY, Beneath, unix.EXDEV},
		{"file", unix.O_WRONLY, NoLinks, unix.ELOOP},
		{"twin", unix.O_WRONLY, NoLinks, unix.EPERM},
		{"twin", unix.O_RDONLY | unix.O_TRUNC, NoLinks, unix.EPERM},
		{"twin", unix.O_RDONLY, NoLinks, nil},
		{"twin", unix.O_WRONLY | unix.O_CREAT, NoLinks, unix.EPERM},
		{"twin", unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL, NoLinks, unix.EEXIST},
		{"dangling", unix.O_WRONLY | unix.O_CREAT, NoLinks, unix.ELOOP},
		{"in/new", unix.O_WRONLY | unix.O_CREAT, NoLinks, unix.ELOOP},
		{"a/new", unix.O_WRONLY | unix.O_CREAT, NoLinks, nil},
	} {
		fd, _, err := d.OpenFile(test.path, test.flags, 0o644, test.how, true)
		if test.want == nil && err != nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s %#o: %v, want %v", test.path, test.flags, err, test.want)
		}
		if err == nil {
			unix.Close(fd)
		}
	}
	if b, err := os.ReadFile(filepath.Join(root, "twin")); err != nil || string(b) != "file" {
		t.Errorf("%q %v", b, err)
	}
}

func TestAnInodeWithSeveralNamesIsNotAltered(t *testing.T) {
	d, root := nasty(t)
	must(t, os.Link(filepath.Join(root, "a/b/file"), filepath.Join(root, "twin")))
	now := Time{Sec: 1}
	for what, err := range map[string]error{
		"mode":      d.Chmod("twin", 0o777, NoLinks),
		"owner":     d.Lchown("twin", os.Getuid(), os.Getgid(), NoLinks),
		"times":     d.Lutimes("twin", &now, &now, NoLinks),
		"attribute": d.Setxattr("twin", "user.x", nil, NoLinks),
		"removal":   d.Removexattr("twin", "user.x", NoLinks),
	} {
		if !errors.Is(err, unix.EPERM) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, os.Remove(filepath.Join(root, "twin")))
	must(t, d.Chmod("a/b/file", 0o600, NoLinks))
	must(t, d.Lutimes("a/b/file", nil, &now, NoLinks))
	must(t, d.Lutimes("out", &now, &now, NoLinks))
	st, err := d.Lstat("out", NoLinks)
	must(t, err)
	if st.Mtim != now || st.Type() != unix.S_IFLNK {
		t.Errorf("the link itself: %+v", st)
	}
	if fi, err := os.Stat(filepath.Join(root, "../outside")); err != nil || fi.ModTime().Unix() == 1 {
		t.Errorf("what it leads to: %v %v", fi.ModTime(), err)
	}
	if err := d.Chmod("out", 0o777, NoLinks); !errors.Is(err, unix.EOPNOTSUPP) {
		t.Errorf("mode of a link: %v", err)
	}
}

func FuzzCleanPath(f *testing.F) {
	for _, s := range []string{"", ".", "/", "a", "a/b", "/a", "../a", "a/../..", "a//b", "a/.", "a\x00", "..a", "...", "a/..b", strings.Repeat("x/", 3000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := CleanPath(s)
		if err != nil {
			return
		}
		if c == "" || strings.HasPrefix(c, "/") || c == ".." || strings.HasPrefix(c, "../") || strings.Contains(c, "\x00") || path.Clean(c) != c || len(c) > maxPath {
			t.Errorf("%q became %q", s, c)
		}
		if again, err := CleanPath(c); err != nil || again != c {
			t.Errorf("%q, then %q %v", c, again, err)
		}
	})
}

func FuzzDirents(f *testing.F) {
	f.Add([]byte{})
	f.Add(append(make([]byte, 16), 24, 0, 8, 'a', 'b', 0, 0, 0))
	f.Add(append(make([]byte, 16), 18, 0, 8))
	f.Add(append(make([]byte, 16), 255, 255, 8, '.', '.'))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, n := range appendDirents(nil, b) {
			if n.name == "." || n.name == ".." || strings.Contains(n.name, "\x00") || len(n.name) > len(b) {
				t.Errorf("%q", n.name)
			}
		}
	})
}
