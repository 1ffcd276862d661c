package mount

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
)

func newRecords(h *home, w way) *Records {
	r := NewRecords(h.p("run/records"), h.p("run/targets"))
	r.way = w
	return r
}

// left lists what records and targets hold.
func (h *home) left() []string {
	var all []string
	for _, dir := range []string{"run/records", "run/targets"} {
		entries, err := os.ReadDir(h.p(dir))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			h.t.Fatal(err)
		}
		for _, e := range entries {
			all = append(all, dir+"/"+e.Name())
		}
	}
	table, err := ReadTable()
	must(h.t, err)
	return append(all, table.Beneath(h.path, 100)...)
}

func targets(t *testing.T, r *Records) []string {
	t.Helper()
	all, err := r.List(context.Background())
	must(t, err)
	var out []string
	for _, l := range all {
		out = append(out, l.Target)
	}
	return out
}

func TestARecordedMountIsListedCountedAndUnmountedByAnother(t *testing.T) {
	byEachWay(t, func(t *testing.T, w way) {
		ctx, h := context.Background(), newHome(t)
		h.tree("1", "a=1")
		h.tree("2", "b=2")
		r := newRecords(h, w)
		if all, err := r.List(ctx); err != nil || len(all) != 0 {
			t.Fatalf("%v %v", all, err)
		}
		if _, err := os.Stat(h.p("run")); err == nil {
			t.Error("listing made a directory")
		}
		given, err := r.Mount(ctx, h.overlay("", "2", "1"), Options{Key: "x", On: h.mkdir("m")})
		must(t, err)
		made, err := r.Mount(ctx, h.overlay("", "1"), Options{Key: "x"})
		must(t, err)
		_, err = r.Mount(ctx, h.overlay("up", "1"), Options{Key: "y"})
		must(t, err)
		if got := seen(t, given.Target) + " " + seen(t, made.Target); got != "a=1 b=2 a=1" {
			t.Error(got)
		}
		other := newRecords(h, w) // another process has no more than this
		for key, want := range map[string]int{"x": 2, "y": 1, "z": 0} {
			if n, err := other.Live(ctx, key); err != nil || n != want {
				t.Errorf("%s has %d mounts, %v", key, n, err)
			}
		}
		if taken, err := other.Clean(ctx); err != nil || len(taken) != 0 {
			t.Errorf("cleaning took %v, %v", taken, err)
		}
		all, err := other.List(ctx)
		must(t, err)
		for _, l := range all {
			if l.ReadWrite != (l.Key == "y") || l.Elsewhere || l.Maker != os.Getpid() {
				t.Errorf("%+v", l)
			}
			must(t, other.Unmount(ctx, l.Target, false))
		}
		if len(all) != 3 || len(h.left()) != 0 {
			t.Errorf("listed were %v, left is %v", all, h.left())
		}
		if _, err := os.Stat(h.p("m")); err != nil {
			t.Errorf("the directory that was given: %v", err)
		}
		if err := other.Unmount(ctx, h.p("m"), false); !errors.Is(err, ErrNotMounted) {
			t.Errorf("once more: %v", err)
		}
	})
}

func TestASecondWritableMountOfAKeySharesTheFileSystem(t *testing.T) {
	byEachWay(t, func(t *testing.T, w way) {
		ctx, h := context.Background(), newHome(t)
		h.tree("1", "a=1")
		r := newRecords(h, w)
		first, err := r.Mount(ctx, h.overlay("up", "1"), Options{Key: "rw"})
		must(t, err)
		second, err := r.Mount(ctx, h.overlay("up", "1"), Options{Key: "rw"})
		must(t, err)
		must(t, os.WriteFile(filepath.Join(first.Target, "b"), []byte("2"), 0o644))
		if got := seen(t, second.Target); got != "a=1 b=2" || first.ID.Dev != second.ID.Dev {
			t.Errorf("%s, %+v, %+v", got, first.ID, second.ID)
		}
		must(t, first.Unmount(ctx, false))
		third, err := r.Mount(ctx, h.overlay("up", "1"), Options{Key: "rw"})
		must(t, err)
		if third.ID.Dev != second.ID.Dev {
			t.Errorf("%+v, %+v", third.ID, second.ID)
		}
	})
}

func TestAMountThatFailsLeavesNothing(t *testing.T) {
	byEachWay(t, func(t *testing.T, w way) {
		ctx, h := context.Background(), newHome(t)
		h.tree("1", "a=1")
		h.tree("full", "a=1")
		r := newRecords(h, w)
		same := h.overlay("up", "1")
		same.Work = same.Upper // the kernel refuses it
		if _, err := r.Mount(ctx, same, Options{Key: "k"}); err == nil {
			t.Error("an overlay whose work directory is its upper was mounted")
		}
		for _, on := range []string{h.p("full"), h.p("missing"), h.p("full/a")} {
			if _, err := r.Mount(ctx, h.overlay("", "1"), Options{Key: "k", On: on}); err == nil {
				t.Errorf("mounted on %s", on)
			}
		}
		if left := h.left(); len(left) != 0 {
			t.Errorf("left are %v", left)
		}
	})
}

func TestTemporaryMountsAreTheirMakersWhileItLives(t *testing.T) {
	mayMount(t)
	ctx, h := context.Background(), newHome(t)
	h.tree("1", "a=1")
	r := newRecords(h, anyWay)
	m, err := r.Mount(ctx, h.overlay("", "1"), Options{Key: "k", Temporary: true})
	must(t, err)
	if taken, err := r.Clean(ctx); err != nil || len(taken) != 0 {
		t.Errorf("cleaning took %v, %v", taken, err)
	}
	if err := r.Unmount(ctx, m.Target, false); !errors.Is(err, graphdriver.ErrBusy) {
		t.Errorf("another's unmount: %v", err)
	}
	if n, err := r.Live(ctx, "k"); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	must(t, m.Unmount(ctx, false))
	if left := h.left(); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

func TestWhatWasUnmountedOrMovedBehindTheRecordsIsKnown(t *testing.T) {
	mayMount(t)
	ctx, h := context.Background(), newHome(t)
	h.tree("1", "a=1")
	r := newRecords(h, anyWay)
	gone, err := r.Mount(ctx, h.overlay("", "1"), Options{Key: "gone"})
	must(t, err)
	must(t, unix.Unmount(gone.Target, 0))
	// Something else on the same directory is not taken for it.
	must(t, unix.Mount("tmpfs", gone.Target, "tmpfs", 0, ""))
	if all := targets(t, r); len(all) != 0 {
		t.Errorf("%v", all)
	}
	if err := r.Unmount(ctx, gone.Target, false); !errors.Is(err, ErrNotMounted) {
		t.Errorf("%v", err)
	}
	must(t, unix.Unmount(gone.Target, 0))
	if _, err := r.Clean(ctx); err != nil {
		t.Error(err)
	}
	if left := h.left(); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
	moved, err := r.Mount(ctx, h.overlay("", "1"), Options{Key: "moved", On: h.mkdir("from/here")})
	must(t, err)
	must(t, os.Rename(h.p("from"), h.p("to")))
	if all := targets(t, r); !slices.Equal(all, []string{h.p("to/here")}) {
		t.Errorf("%v", all)
	}
	h.mkdir("from/here")
	if _, err := r.Mount(ctx, h.overlay("", "1"), Options{Key: "another", On: moved.Target}); !errors.Is(err, ErrMounted) {
		t.Errorf("onto the name of a moved mount: %v", err)
	}
	// A mount on top hides it, and is not unmounted in its place.
	must(t, unix.Mount("tmpfs", h.p("to/here"), "tmpfs", 0, ""))
	if err := r.Unmount(ctx, h.p("to/here"), false); err == nil {
		t.Error("another mount was unmounted")
	}
	must(t, unix.Unmount(h.p("to/here"), 0))
	must(t, r.Unmount(ctx, h.p("to/here"), false))
}

func TestRecordsOfAnotherBootOrOfADeadNamespaceAreForgotten(t *testing.T) {
	mayMount(t)
	ctx, h := context.Background(), newHome(t)
	h.tree("1", "a=1")
	r := newRecords(h, anyWay)
	m, err := r.Mount(ctx, h.overlay("", "1"), Options{Key: "k", On: h.mkdir("m")})
	must(t, err)
	root, err := os.OpenRoot(h.p("run/records"))
	must(t, err)
	defer root.Close()
	all, err := readAll(root)
	must(t, err)
	elsewhere := *all[0]
	for name, change := range map[string]func(*stored){
		"another boot":     func(s *stored) { s.Where.Boot = "before" },
		"a dead namespace": func(s *stored) { s.Where.Mounts = 1 },
	} {
		if name == "a dead namespace" && os.Getpid() != 1 {
			t.Log("not all processes can be seen here, so no namespace is known to be dead")
			continue
		}
		s := elsewhere
		s.Target = "/" + name
		change(&s)
		_, err := s.write(root, false)
		must(t, err)
		if got := targets(t, r); !slices.Equal(got, []string{m.Target}) {
			t.Errorf("%s: %v", name, got)
		}
	}
	// Where not all processes can be seen, a namespace may be alive.
	hidden := elsewhere
	hidden.Target, hidden.Where.Mounts, hidden.Where.PIDs = "/a hidden one", 1, 1
	_, err = hidden.write(root, false)
	must(t, err)
	_, err = r.Clean(ctx)
	must(t, err)
	list, err := r.List(ctx)
	must(t, err)
	if len(list) != 2 || list[0].Target != "/a hidden one" || !list[0].Elsewhere || len(h.left()) != 3 {
		t.Errorf("%+v, left are %v", list, h.left())
	}
}

func TestDamagedAndForeignRecordsAreRefused(t *testing.T) {
	ctx, h := context.Background(), newHome(t)
	r := newRecords(h, anyWay)
	dir := h.mkdir("run/records")
	must(t, os.Chmod(dir, 0o777))
	if _, err := r.List(ctx); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a directory that all may write: %v", err)
	}
	must(t, os.Chmod(dir, 0o700))
	name := strings.Repeat("0", 32) + ".json"
	for _, body := range []string{"", "{", `{"target":"/x"}`, `{"target":"x"}`, strings.Repeat(" ", maxRecord+1)} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600))
		if _, err := r.List(ctx); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%.20q: %v", body, err)
		}
	}
	must(t, os.Remove(filepath.Join(dir, name)))
	for _, odd := range []func(string) error{
		func(p string) error { return unix.Mkfifo(p, 0o600) },
		func(p string) error { return os.Symlink("/etc/passwd", p) },
		func(p string) error { return os.Mkdir(p, 0o700) },
	} {
		must(t, odd(filepath.Join(dir, name)))
		if _, err := r.List(ctx); err == nil {
			t.Error("no error")
		}
		must(t, os.Remove(filepath.Join(dir, name)))
	}
}

func TestWaitingForAnotherProcessEndsWithItsContext(t *testing.T) {
	h := newHome(t)
	r := newRecords(h, anyWay)
	_, unlock, err := r.lock(context.Background(), true)
	must(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	for name, f := range map[string]func() error{
		"list":    func() error { _, err := r.List(ctx); return err },
		"clean":   func() error { _, err := r.Clean(ctx); return err },
		"unmount": func() error { return r.Unmount(ctx, h.p("m"), false) },
	} {
		if err := f(); !errors.Is(err, graphdriver.ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	unlock()
	if _, err := r.List(context.Background()); err != nil {
		t.Error(err)
	}
}
