package mount

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
)

func TestOnlyMountPointsAreUnmounted(t *testing.T) {
	mayMount(t)
	ctx, h := context.Background(), newHome(t)
	h.tree("1", "a=1", "d/b=1")
	h.mount(anyWay, Spec{Kind: Bind, Lower: h.pins("1")}, "m")
	must(t, os.Symlink("m", h.p("link")))
	for _, at := range []string{h.p("1"), h.p("m/d"), h.p("m/a"), h.p("link"), h.p("missing"), "/"} {
		if err := Unmount(ctx, at, false); !errors.Is(err, ErrNotMounted) {
			t.Errorf("%s: %v", at, err)
		}
		if err := Unmount(ctx, at, true); !errors.Is(err, ErrNotMounted) {
			t.Errorf("%s, lazily: %v", at, err)
		}
	}
	must(t, os.Mkdir(h.p("dir"), 0o755))
	must(t, os.Symlink("..", h.p("dir/up"))) // a parent may be a symlink
	must(t, Unmount(ctx, h.p("dir/up/m"), false))
	if err := Unmount(ctx, h.p("m"), false); !errors.Is(err, ErrNotMounted) {
		t.Errorf("twice: %v", err)
	}
}

func TestWhoKeepsAMountBusyIsNamed(t *testing.T) {
	mayMount(t)
	ctx, h := context.Background(), newHome(t)
	h.tree("1", "a=1", "d/b=1")
	mapped, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	must(t, os.WriteFile(h.p("1/prog"), mapped, 0o755))
	h.mount(anyWay, h.overlay("up", "1"), "m")
	start := func(cmd *exec.Cmd) (stop func()) {
		t.Helper()
		in, err := cmd.StdinPipe()
		must(t, err)
		must(t, cmd.Start())
		return func() { in.Close(); cmd.Process.Kill(); cmd.Wait() }
	}
	busy := func(how string, pid int) {
		t.Helper()
		err := Unmount(ctx, h.p("m"), false)
		var e *BusyError
		if !errors.As(err, &e) || !errors.Is(err, graphdriver.ErrBusy) || len(e.Holders) == 0 {
			t.Fatalf("%s: %v", how, err)
		}
		if got := e.Holders[0]; len(e.Holders) != 1 || got.PID != pid || got.How != how || got.Name == "" {
			t.Errorf("%+v, want %d by %s", e.Holders, pid, how)
		}
		if text := err.Error(); !strings.Contains(text, fmt.Sprint(pid)) || strings.Contains(text, "\n") {
			t.Error(text)
		}
	}
	cat := exec.Command("cat")
	cat.Dir = h.p("m/d")
	stop := start(cat)
	busy("cwd", cat.Process.Pid)
	stop()
	f, err := os.Open(h.p("m/a"))
	must(t, err)
	busy("an open file", os.Getpid())
	must(t, f.Close())
	f, err = os.Open(h.p("m/prog"))
	must(t, err)
	m, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE)
	must(t, err)
	must(t, f.Close())
	busy("a mapped file", os.Getpid())
	must(t, unix.Munmap(m))
	var stops []func()
	for range 7 {
		cat := exec.Command("cat")
		cat.Dir = h.p("m")
		stops = append(stops, start(cat))
	}
	var e *BusyError
	if err := Unmount(ctx, h.p("m"), false); !errors.As(err, &e) || len(e.Holders) != 5 {
		t.Errorf("of seven: %v", err)
	}
	for _, s := range stops {
		s()
	}
	must(t, unix.Mount("tmpfs", h.p("m/d"), "tmpfs", 0, ""))
	if err := Unmount(ctx, h.p("m"), false); !errors.As(err, &e) || len(e.Above) != 1 || e.Above[0] != h.p("m/d") {
		t.Errorf("with a mount in it: %v", err)
	}
	must(t, Unmount(ctx, h.p("m/d"), false))
	must(t, Unmount(ctx, h.p("m"), false))
}

// A file on its way between processes is held by none that can be seen.
func TestAnUnmountWaitsForAFileThatNobodyIsSeenToHold(t *testing.T) {
	mayMount(t)
	ctx, h := context.Background(), newHome(t)
	h.tree("1", "a=1")
	h.mount(anyWay, h.overlay("up", "1"), "m")
	f, err := os.Open(h.p("m/a"))
	must(t, err)
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	must(t, unix.Sendmsg(ends[0], []byte("x"), unix.UnixRights(int(f.Fd())), nil, 0))
	must(t, f.Close())
	left, leave := context.WithCancel(ctx)
	leave()
	var e *BusyError
	if err := Unmount(ctx, h.p("m"), false); !errors.As(err, &e) || len(e.Holders) != 0 {
		t.Errorf("while it is held: %v", err)
	}
	if err := Unmount(left, h.p("m"), false); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits any more: %v", err)
	}
	timer := time.AfterFunc(30*time.Millisecond, func() { unix.Close(ends[0]); unix.Close(ends[1]) })
	defer timer.Stop()
	must(t, Unmount(ctx, h.p("m"), false))
}

func TestALazyUnmountTakesABusyMountOutOfSight(t *testing.T) {
	mayMount(t)
	ctx, h := context.Background(), newHome(t)
	h.tree("1", "a=1")
	h.mount(anyWay, h.overlay("up", "1"), "m")
	f, err := os.Open(h.p("m/a"))
	must(t, err)
	defer f.Close()
	must(t, Unmount(ctx, h.p("m"), true))
	if got := seen(t, h.p("m")); got != "" {
		t.Errorf("still seen: %s", got)
	}
	b := make([]byte, 1)
	if _, err := f.Read(b); err != nil || b[0] != '1' {
		t.Errorf("who had it open read %q, %v", b, err)
	}
}

func TestTargetsMustBeEmptyDirectoriesOfTheirOwn(t *testing.T) {
	byEachWay(t, func(t *testing.T, w way) {
		ctx, h := context.Background(), newHome(t)
		h.tree("1", "a=1")
		h.mkdir("empty")
		must(t, os.Symlink("empty", h.p("link")))
		must(t, os.WriteFile(h.p("file"), nil, 0o644))
		h.mkdir("odd\xff")
		h.mount(w, h.overlay("", "1"), "taken")
		for on, want := range map[string]error{
			"1": graphdriver.ErrInvalid, "link": graphdriver.ErrInvalid, "link/": graphdriver.ErrInvalid, "file": graphdriver.ErrInvalid,
			"odd\xff": graphdriver.ErrInvalid, "missing": unix.ENOENT, "taken": ErrMounted,
		} {
			if _, err := mountBy(ctx, w, h.overlay("", "1"), h.path+"/"+on); !errors.Is(err, want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: %v", on, err)
			}
		}
		must(t, os.Mkdir(h.p("dir"), 0o755))
		must(t, os.Symlink("../empty", h.p("dir/e")))
		h.mkdir("dir2/x")
		must(t, os.Symlink("dir2", h.p("via")))
		_, err := mountBy(ctx, w, h.overlay("", "1"), h.p("via/x"))
		must(t, err)
		if got := seen(t, h.p("dir2/x")); got != "a=1" {
			t.Errorf("by a symlinked parent: %q", got)
		}
	})
}

func TestCloningNeedsAMount(t *testing.T) {
	mayMount(t)
	h := newHome(t)
	h.tree("1", "d/a=1")
	h.mount(anyWay, h.overlay("", "1"), "m")
	must(t, os.Symlink("m", h.p("link")))
	for _, from := range []string{"1", "m/d", "link", "missing"} {
		if _, err := Clone(context.Background(), h.p(from), h.mkdir("c")); err == nil {
			t.Errorf("%s was cloned", from)
		}
	}
}

func TestAMountEndsBeforeItBeginsWithItsContext(t *testing.T) {
	mayMount(t)
	h := newHome(t)
	h.tree("1", "a=1")
	reason := errors.New("a reason")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(reason)
	_, err := Mount(ctx, h.overlay("", "1"), h.mkdir("m"))
	_, err2 := Clone(ctx, h.path, h.p("m"))
	for _, err := range []error{err, err2, Unmount(ctx, h.p("m"), false)} {
		if !errors.Is(err, reason) {
			t.Errorf("%v", err)
		}
	}
}
