package beneath

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// maze is a directory full of ways out, beside what they lead to.
func maze(t testing.TB) (root int, dir string) {
	t.Helper()
	top := t.TempDir()
	dir = filepath.Join(top, "root")
	for _, p := range []string{"root/a/b/c", "root/d", "outside/sub"} {
		must(t, os.MkdirAll(filepath.Join(top, p), 0o755))
	}
	for _, p := range []string{"root/f", "root/a/f", "root/a/b/f", "outside/secret", "outside/sub/secret"} {
		must(t, os.WriteFile(filepath.Join(top, p), []byte(p), 0o644))
	}
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	for name, target := range map[string]string{
		"rel": "a/b", "up": "../outside", "upfile": "../outside/secret", "abs": filepath.Join(top, "outside"), "rootabs": "/a/b",
		"loop": "loop", "ping": "pong", "pong": "ping", "dangle": "nothing", "dangleup": "../outside/new", "dot": ".", "slash": "/",
		"proc": "/proc/self/root", "cwd": "/proc/self/cwd", "a/up": "..", "a/b/upup": "../..", "a/b/out": "../../../outside/secret",
		"a/file": "f", "chain": "rel/upup/a/file", "trail": "a/b/", "filetrail": "f/", "long": strings.Repeat("a/../", 700) + "f",
	} {
		must(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(root) })
	return root, dir
}

// outcome is what an open came to: an errno, or which file by what flags.
func outcome(fd int, err error) string {
	if err != nil {
		return fmt.Sprintf("%v (%d)", err, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err.Error()
	}
	flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	flags &^= unix.O_NOFOLLOW | unix.O_DIRECTORY // how it was come to is not what is open
	more, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return fmt.Sprintf("%d:%d %o flags %o %o", st.Dev, st.Ino, st.Mode, flags, more)
}

var resolves = []uint64{
	unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	unix.RESOLVE_BENEATH,
}

var flagSets = []int{
	unix.O_RDONLY, unix.O_RDONLY | unix.O_NOFOLLOW, unix.O_PATH, unix.O_PATH | unix.O_NOFOLLOW, unix.O_PATH | unix.O_DIRECTORY,
	unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW, unix.O_RDWR | unix.O_NONBLOCK, unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW,
}

func needOpenat2(t *testing.T) {
	t.Helper()
	if fd, err := open2(unix.AT_FDCWD, ".", unix.O_PATH, 0, unix.RESOLVE_BENEATH); err != nil {
		t.Skip("this kernel has no openat2 to compare with: ", err)
	} else {
		unix.Close(fd)
	}
}

// Names of the maze, put together at random, come to the same by both ways.
func TestTheWalkAnswersAsTheKernelDoes(t *testing.T) {
	needOpenat2(t)
	root, dir := maze(t)
	if unix.Geteuid() == 0 { // a mount, and one of the very file system
		for _, m := range []string{"tmp", "same"} {
			must(t, os.Mkdir(filepath.Join(dir, m), 0o755))
		}
		if err := unix.Mount("none", filepath.Join(dir, "tmp"), "tmpfs", 0, ""); err == nil {
			t.Cleanup(func() { _ = unix.Unmount(filepath.Join(dir, "tmp"), unix.MNT_DETACH) })
			must(t, os.WriteFile(filepath.Join(dir, "tmp/f"), nil, 0o600))
			must(t, unix.Mount(filepath.Join(dir, "a"), filepath.Join(dir, "same"), "", unix.MS_BIND, ""))
			t.Cleanup(func() { _ = unix.Unmount(filepath.Join(dir, "same"), unix.MNT_DETACH) })
		}
	}
	parts := []string{
		".", "..", "a", "b", "c", "d", "f", "fifo", "rel", "up", "upfile", "abs", "rootabs", "loop", "ping", "dangle", "dangleup", "dot", "slash",
		"proc", "cwd", "upup", "out", "file", "chain", "trail", "filetrail", "long", "tmp", "same", "nothing", "", strings.Repeat("n", 256),
	}
	r := rand.New(rand.NewPCG(1, 2))
	paths := []string{"", "/", "//", ".", "..", "a/", "f/", "rel/", "loop/", "/a", "/../f", strings.Repeat("a/../", 900) + "f", "a\x00b"}
	for range 3000 {
		var p []string
		for range 1 + r.IntN(5) {
			p = append(p, parts[r.IntN(len(parts))])
		}
		paths = append(paths, strings.Join(p, "/"))
	}
	found := 0
	for _, p := range paths {
		for _, resolve := range resolves {
			flags := flagSets[r.IntN(len(flagSets))]
			if strings.Contains(p, "fifo") && flags&(unix.O_PATH|unix.O_NONBLOCK) == 0 {
				flags |= unix.O_NONBLOCK
			}
			want := outcome(open2(root, p, flags, 0, resolve))
			got := outcome(Walk(root, p, flags, 0, resolve))
			if strings.Contains(want, "flags") {
				found++
			}
			// Magic links cannot be told from others of proc: refusing is right.
			if got != want && !(resolve == unix.RESOLVE_BENEATH || strings.Contains(got, "(40)") && strings.Contains(p, "proc")) {
				t.Errorf("%.80q flags %#o resolve %#x: the kernel says %s, the walk %s", p, flags, resolve, want, got)
			}
			if resolve == unix.RESOLVE_BENEATH && got != want && !strings.Contains(got, "(18)") && !strings.Contains(got, "(40)") {
				t.Errorf("%.80q flags %#o beneath: the kernel says %s, the walk %s", p, flags, want, got)
			}
		}
	}
	if found < 500 {
		t.Errorf("only %d of the opens found anything", found)
	}
}

func TestTheWalkCreatesAsTheKernelDoes(t *testing.T) {
	needOpenat2(t)
	for _, flags := range []int{unix.O_CREAT | unix.O_WRONLY, unix.O_CREAT | unix.O_EXCL | unix.O_WRONLY, unix.O_CREAT | unix.O_NOFOLLOW | unix.O_RDWR, unix.O_CREAT | unix.O_TRUNC | unix.O_WRONLY} {
		for _, resolve := range resolves[:3] {
			for _, p := range []string{"new", "a/new", "f", "dangle", "dangleup", "rel/new", "up/new", "upfile", "a/b/out", "nothing/new", ".", "a", "loop", "rootabs/new"} {
				var outcomes [2]string
				for i, open := range []func(int, string, int, uint32, uint64) (int, error){open2, Walk} {
					root, dir := maze(t)
					fd, err := open(root, p, flags, 0o640, resolve)
					if err == nil {
						unix.Close(fd)
					}
					outcomes[i] = fmt.Sprint(err, listed(t, filepath.Dir(dir)))
				}
				if outcomes[0] != outcomes[1] {
					t.Errorf("%q flags %#o resolve %#x: the kernel left\n%s\nthe walk\n%s", p, flags, resolve, outcomes[0], outcomes[1])
				}
			}
		}
	}
}

// listed is all that lies in a directory, with modes and sizes.
func listed(t *testing.T, dir string) (out []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		size := fi.Size()
		if fi.Mode()&(os.ModeDir|os.ModeSymlink) != 0 { // of a directory that is the file system's, of a link the root's path
			size = 0
		}
		out = append(out, fmt.Sprint(rel, " ", fi.Mode(), " ", size))
		return nil
	}))
	return out
}

func TestAWalkLeavesNothingOpen(t *testing.T) {
	root, _ := maze(t)
	before := openNow(t)
	for _, p := range []string{"a/b/c", "a/b/out", "chain", "nothing/x", "loop", "f/x", "a/b/upup/a", "long", "proc/x"} {
		if fd, err := Walk(root, p, unix.O_PATH, 0, resolves[0]); err == nil {
			unix.Close(fd)
		}
	}
	if now := openNow(t); now != before {
		t.Errorf("%d are open, were %d", now, before)
	}
}

func openNow(t *testing.T) int {
	names, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(names)
}

// Whatever is renamed while a path is walked, nothing outside is come to.
func TestAWalkIsNotLedOutByRenames(t *testing.T) {
	root, dir := maze(t)
	secret, err := unix.Open(filepath.Join(dir, "../outside/secret"), unix.O_PATH, 0)
	must(t, err)
	defer unix.Close(secret)
	outside := outcome(unix.Dup(secret))
	outside, _, _ = strings.Cut(outside, " ")
	must(t, os.Mkdir(filepath.Join(dir, "swap"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "swap/secret"), []byte("mine"), 0o644))
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; !stop.Load(); i++ {
			_ = os.Rename(filepath.Join(dir, "swap"), filepath.Join(dir, "away"))
			_ = os.Symlink("../outside", filepath.Join(dir, "swap"))
			_ = os.Remove(filepath.Join(dir, "swap"))
			_ = os.Rename(filepath.Join(dir, "a/b"), filepath.Join(dir, "../outside/b"))
			_ = os.Rename(filepath.Join(dir, "../outside/b"), filepath.Join(dir, "a/b"))
			_ = os.Rename(filepath.Join(dir, "away"), filepath.Join(dir, "swap"))
		}
	}()
	defer func() { stop.Store(true); <-done }()
	got := map[string]int{}
	for range 4000 {
		for _, p := range []string{"swap/secret", "a/b/c/../../../../secret", "a/b/../../secret"} {
			for _, resolve := range resolves[:3] {
				s := outcome(Walk(root, p, unix.O_RDONLY, 0, resolve))
				if inode, _, _ := strings.Cut(s, " "); inode == outside {
					t.Fatalf("%s by %#x came to what lies outside", p, resolve)
				}
				got[s[:min(len(s), 12)]]++
			}
		}
	}
	if len(got) < 2 {
		t.Errorf("nothing ever changed: %v", got)
	}
}

// filtered is set in a process under a filter that refuses openat2.
const filtered = "BULKHEAD_TEST_FILTER"

func TestOpenDoesWithoutOpenat2WhereAFilterRefusesIt(t *testing.T) {
	if errno := os.Getenv(filtered); errno != "" {
		refuseOpenat2(t, map[string]uint32{"EPERM": uint32(unix.EPERM), "ENOSYS": uint32(unix.ENOSYS)}[errno])
		root, _ := maze(t)
		if _, err := open2(root, "f", unix.O_PATH, 0, resolves[0]); err != unix.EPERM && err != unix.ENOSYS {
			t.Fatalf("the filter lets openat2 pass: %v", err)
		}
		fd, err := Open(root, "chain", unix.O_RDONLY, 0, resolves[0])
		must(t, err)
		unix.Close(fd)
		if _, err := Open(root, "upfile", unix.O_RDONLY, 0, resolves[0]); err != unix.EXDEV {
			t.Errorf("a way out: %v", err)
		}
		return
	}
	for _, errno := range []string{"EPERM", "ENOSYS"} {
		cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), filtered+"="+errno)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Errorf("%s: %v\n%s", errno, err, out)
		}
	}
}

// refuseOpenat2 has the kernel answer openat2 of this thread with an errno.
func refuseOpenat2(t *testing.T, errno uint32) {
	runtime.LockOSThread()
	must(t, unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_OPENAT2},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | errno},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if _, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog))); e != 0 {
		t.Fatal(e)
	}
}

func TestOpenTakesNoPathThatMayEndAnywhere(t *testing.T) {
	root, _ := maze(t)
	for _, resolve := range []uint64{0, unix.RESOLVE_NO_SYMLINKS, 0x20 | unix.RESOLVE_BENEATH} {
		if fd, err := Walk(root, "f", unix.O_PATH, 0, resolve); err != unix.EINVAL {
			t.Errorf("%#x: %d %v", resolve, fd, err)
		}
	}
}
