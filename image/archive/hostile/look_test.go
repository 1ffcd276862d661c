package hostile_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// guarded makes the directory that the archives attack: what a look at it
// sees has to stay the same to the nanosecond, times of reading included.
func guarded(t testing.TB) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "outside")
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(os.MkdirAll(filepath.Join(out, "dir"), 0o755))
	do(os.WriteFile(filepath.Join(out, "secret"), []byte("secret\n"), 0o600))
	do(os.WriteFile(filepath.Join(out, "dir/kept"), []byte("kept\n"), 0o644))
	do(syscall.Mkfifo(filepath.Join(out, "pipe"), 0o600))
	do(os.Symlink("secret", filepath.Join(out, "link")))
	if err := unix.Setxattr(filepath.Join(out, "secret"), "user.guard", []byte("1"), 0); err != nil {
		t.Logf("without attributes: %v", err)
	}
	for _, name := range []string{"secret", "dir/kept", "dir", "."} {
		// A time of reading that is older than the one of writing is renewed
		// by any reading.
		do(os.Chtimes(filepath.Join(out, name), time.Unix(1e9, 1), time.Unix(1.1e9, 2)))
	}
	return out
}

// look describes all that lies beneath dir, each path in a line.
func look(t *testing.T, dir string, times bool) map[string]string {
	t.Helper()
	seen := map[string]string{}
	var walk func(path string)
	walk = func(path string) {
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("mode %o owner %d:%d", st.Mode, st.Uid, st.Gid)
		kind := st.Mode & unix.S_IFMT
		if kind != unix.S_IFDIR {
			line += fmt.Sprintf(" links %d rdev %d", st.Nlink, st.Rdev)
		}
		if times {
			line += fmt.Sprint(" mtime ", st.Mtim, " ctime ", st.Ctim)
			if kind != unix.S_IFLNK { // which looking at it reads
				line += fmt.Sprint(" atime ", st.Atim)
			}
		}
		line += xattrs(path)
		switch kind {
		case unix.S_IFREG:
			line += fmt.Sprintf(" size %d sum %x", st.Size, contentSum(t, path))
		case unix.S_IFLNK:
			to, _ := os.Readlink(path)
			line += " to " + to
		case unix.S_IFDIR:
			f := quietly(t, path)
			names, err := f.Readdirnames(-1)
			f.Close()
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(names)
			for _, name := range names {
				walk(path + "/" + name)
			}
		}
		seen[strings.TrimPrefix(path, dir)] = line
	}
	walk(dir)
	return seen
}

// quietly opens without leaving a trace in the time of reading.
func quietly(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOATIME|unix.O_NOFOLLOW, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func contentSum(t *testing.T, path string) []byte {
	t.Helper()
	f := quietly(t, path)
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return h.Sum(nil)[:8]
}

func xattrs(path string) string {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil || n == 0 {
		return ""
	}
	var all strings.Builder
	for _, name := range strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		value := make([]byte, 64<<10)
		n, _ := unix.Lgetxattr(path, name, value)
		fmt.Fprintf(&all, " %s=%q", name, value[:max(n, 0)])
	}
	return all.String()
}

// same compares two looks.
func same(t *testing.T, what string, before, after map[string]string) {
	t.Helper()
	paths := map[string]bool{}
	for _, m := range []map[string]string{before, after} {
		for p := range m {
			paths[p] = true
		}
	}
	n := 0
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		if before[p] == after[p] {
			continue
		}
		if n++; n > 8 {
			t.Errorf("%s: more has changed", what)
			return
		}
		t.Errorf("%s: %q was\n  %s\nand is\n  %s", what, p, orNothing(before[p]), orNothing(after[p]))
	}
}

func orNothing(line string) string {
	if line == "" {
		return "not there"
	}
	return line
}

// reachable tells whether other users could get to path.
func reachable(root, path string) bool {
	for dir := filepath.Dir(path); strings.HasPrefix(dir, root); dir = filepath.Dir(dir) {
		fi, err := os.Stat(dir)
		if err != nil || fi.Mode()&fs.FileMode(0o001) == 0 {
			return false
		}
	}
	return true
}
