package mount

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
)

func TestLayersAreSeenInOrderWithWhatTheyDelete(t *testing.T) {
	byEachWay(t, func(t *testing.T, w way) {
		h := newHome(t)
		h.tree("1", "a=1", "gone=1", "d/old=1", "kept/old=1")
		h.tree("2", "a=2", "b=2", "d/new=2")
		h.whiteout("2/gone")
		h.opaque("2/d")
		h.tree("3", "b=3", "c=3", "kept/new=3")
		h.mount(w, h.overlay("", "3", "2", "1"), "m")
		if got, want := seen(t, h.p("m")), "a=2 b=3 c=3 d/new=2 kept/new=3 kept/old=1"; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	})
}

func TestAMountWithoutAnUpperIsReadOnly(t *testing.T) {
	byEachWay(t, func(t *testing.T, w way) {
		h := newHome(t)
		h.tree("1", "a=1")
		h.tree("2", "b=2")
		for name, s := range map[string]Spec{
			"two layers": h.overlay("", "2", "1"),
			"one layer":  h.overlay("", "1"),
			"a bind":     {Kind: Bind, Lower: h.pins("1")},
		} {
			id := h.mount(w, s, name)
			table, err := ReadTable()
			must(t, err)
			if e, ok := table.ByID(id.Mount); !ok || e.Target != h.p(name) || !strings.HasPrefix(e.Options, "ro") {
				t.Errorf("%s: the mount itself is not read-only: %+v", name, e)
			}
			if err := os.WriteFile(h.p(name+"/a"), nil, 0o644); !errors.Is(err, unix.EROFS) {
				t.Errorf("%s: a write: %v", name, err)
			}
			if err := os.Chmod(h.p(name), 0o700); !errors.Is(err, unix.EROFS) {
				t.Errorf("%s: a chmod: %v", name, err)
			}
		}
		if got := seen(t, h.p("one layer")); got != "a=1" {
			t.Errorf("one layer shows %s", got)
		}
		must(t, os.WriteFile(h.p("1/still"), nil, 0o644)) // the layer itself is as it was
	})
}

func TestWritesGoToTheUpper(t *testing.T) {
	byEachWay(t, func(t *testing.T, w way) {
		h := newHome(t)
		h.tree("1", "a=1", "b=1")
		h.mount(w, h.overlay("up", "1"), "m")
		must(t, os.WriteFile(h.p("m/a"), []byte("new"), 0o644))
		must(t, os.Remove(h.p("m/b")))
		if got := seen(t, h.p("1")); got != "a=1 b=1" {
			t.Errorf("the layer became %s", got)
		}
		if got := seen(t, h.p("m")); got != "a=new" {
			t.Errorf("the mount shows %s", got)
		}
		if got := seen(t, h.p("up")); got != "a=new b Dc---------" {
			t.Errorf("the upper has %s", got)
		}
	})
}

func TestAWritableBindShowsItsDirectory(t *testing.T) {
	byEachWay(t, func(t *testing.T, w way) {
		h := newHome(t)
		h.tree("1", "a=1")
		h.mount(w, Spec{Kind: Bind, Upper: h.pin("1")}, "m")
		must(t, os.WriteFile(h.p("m/b"), []byte("2"), 0o644))
		if got := seen(t, h.p("1")); got != "a=1 b=2" {
			t.Errorf("the directory has %s", got)
		}
	})
}

func TestAsManyLayersAsTheKernelTakes(t *testing.T) {
	byEachWay(t, func(t *testing.T, w way) {
		h := newHome(t)
		var names []string
		for i := range MaxLowers + 1 {
			name := fmt.Sprintf("a-directory-with-a-long-name-for-a-layer/%d", i)
			h.tree(name, "top="+fmt.Sprint(i), fmt.Sprintf("f%d=", i))
			names = append([]string{name}, names...)
		}
		s := h.overlay("", names...)
		for _, n := range []int{2, 125, MaxLowers} {
			on := fmt.Sprint("m", n)
			h.mount(w, Spec{Kind: Overlay, Lower: s.Lower[:n], UserXattr: s.UserXattr}, on)
			all, err := os.ReadDir(h.p(on))
			must(t, err)
			top, err := os.ReadFile(h.p(on + "/top"))
			must(t, err)
			if len(all) != n+1 || string(top) != fmt.Sprint(MaxLowers) {
				t.Errorf("%d layers show %d files, on top %s", n, len(all), top)
			}
		}
		if _, err := mountBy(context.Background(), w, s, h.mkdir("m")); !errors.Is(err, graphdriver.ErrLimit) || !strings.Contains(err.Error(), "500") {
			t.Errorf("one too many: %v", err)
		}
		full := Spec{Kind: Overlay, Lower: s.Lower[:MaxLowers], UserXattr: s.UserXattr}
		h.mkdir("up")
		h.mkdir("work")
		full.Upper, full.Work = h.pin("up"), h.pin("work")
		h.mount(w, full, "writable")
		must(t, os.WriteFile(h.p("writable/new"), nil, 0o644))
	})
}

// What was pinned is mounted, whatever has taken its name or that of a parent.
func TestASwapAfterPinningRedirectsNothing(t *testing.T) {
	byEachWay(t, func(t *testing.T, w way) {
		h := newHome(t)
		h.tree("layers/1", "a=right")
		h.tree("layers/2", "b=right")
		h.tree("evil/1", "a=evil")
		h.tree("evil/2", "b=evil")
		overlay, bind := h.overlay("layers/up", "layers/2", "layers/1"), Spec{Kind: Bind, Lower: h.pins("layers/1")}
		must(t, os.Rename(h.p("layers"), h.p("moved")))
		must(t, os.Symlink("evil", h.p("layers")))
		h.mount(w, overlay, "m")
		h.mount(w, bind, "b")
		if got := seen(t, h.p("m")) + " " + seen(t, h.p("b")); got != "a=right b=right a=right" {
			t.Error(got)
		}
		must(t, os.WriteFile(h.p("m/new"), nil, 0o644))
		if _, err := os.Stat(h.p("moved/up/new")); err != nil {
			t.Error(err)
		}
	})
}

func TestOneUpperIsNeverGivenToTwoFileSystems(t *testing.T) {
	byEachWay(t, func(t *testing.T, w way) {
		h := newHome(t)
		h.tree("1", "a=1")
		s := h.overlay("up", "1")
		first := h.mount(w, s, "m")
		refused := func(when string) {
			t.Helper()
			if _, err := mountBy(context.Background(), w, s, h.mkdir("second")); !errors.Is(err, ErrUpperInUse) {
				t.Errorf("%s: %v", when, err)
			}
		}
		refused("mounted")
		id, err := Clone(context.Background(), h.p("m"), h.mkdir("clone"))
		must(t, err)
		if id.Dev != first.Dev || id.Same(first) {
			t.Errorf("the clone is %+v of %+v", id, first)
		}
		must(t, os.WriteFile(h.p("clone/new"), []byte("2"), 0o644))
		if got := seen(t, h.p("m")); got != "a=1 new=2" {
			t.Errorf("through the first mount: %s", got)
		}
		must(t, Unmount(context.Background(), h.p("m"), false))
		refused("a clone is mounted")
		open, err := os.Open(h.p("clone/a"))
		must(t, err)
		must(t, Unmount(context.Background(), h.p("clone"), true))
		refused("unmounted lazily")
		must(t, open.Close())
		h.mount(w, s, "second")
	})
}

func TestALayerIsNotReadThroughOptionsOfTheMachine(t *testing.T) {
	byEachWay(t, func(t *testing.T, w way) {
		h := newHome(t)
		h.tree("1", "d/a=1")
		id := h.mount(w, h.overlay("up", "1"), "m")
		table, err := ReadTable()
		must(t, err)
		e, ok := table.ByID(id.Mount)
		if !ok || e.Target != h.p("m") || e.FSType != "overlay" {
			t.Fatalf("%+v", e)
		}
		for _, on := range []string{"redirect_dir=on", "redirect_dir=follow", "metacopy=on", "index=on"} {
			if strings.Contains(e.Super, on) {
				t.Errorf("%s in %s", on, e.Super)
			}
		}
		if inUserNamespace() != strings.Contains(e.Super, "userxattr") {
			t.Errorf("userxattr in %s", e.Super)
		}
		// A directory of a lower layer is not renamed by redirection.
		if err := unix.Rename(h.p("m/d"), h.p("m/e")); !errors.Is(err, unix.EXDEV) {
			t.Errorf("rename: %v", err)
		}
	})
}

func TestARedirectPlantedInALayerIsNotFollowed(t *testing.T) {
	byEachWay(t, func(t *testing.T, w way) {
		h := newHome(t)
		h.tree("1", "secret/a=1")
		h.tree("2", "d/b=2")
		h.overlayAttr("2/d", "redirect", "/secret")
		h.mount(w, h.overlay("", "2", "1"), "m")
		if b, err := os.ReadFile(h.p("m/d/a")); err == nil {
			t.Errorf("read %q", b)
		}
	})
}

func TestATargetThatIsReplacedMeanwhileIsNotMountedOn(t *testing.T) {
	byEachWay(t, func(t *testing.T, w way) {
		h := newHome(t)
		h.tree("1", "a=1")
		for name, s := range map[string]Spec{"overlay": h.overlay("up", "1"), "bind": {Kind: Bind, Lower: h.pins("1")}} {
			on := h.mkdir(name + "/m")
			target, err := openTarget(on)
			must(t, err)
			_, err = s.mount(context.Background(), w, target, func(ID) error {
				h.mkdir("other/m")
				return errors.Join(os.Rename(h.p(name), h.p(name+".moved")), os.Symlink("other", h.p(name)))
			})
			target.close()
			if err == nil {
				t.Errorf("%s: no error", name)
			}
			if left := h.left(); len(left) != 0 {
				t.Errorf("%s: mounted are %v", name, left)
			}
		}
	})
}
