package mount

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/host/confine"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// home is a driver's directory with a place to mount on.
type home struct {
	t    testing.TB
	path string
	dir  *confine.Dir
}

func newHome(t testing.TB) *home {
	t.Helper()
	path, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	h := homeAt(t, path)
	t.Cleanup(h.unmountAll)
	return h
}

func homeAt(t testing.TB, path string) *home {
	t.Helper()
	dir, err := confine.OpenDir(path)
	must(t, err)
	t.Cleanup(func() { dir.Close() })
	return &home{t, path, dir}
}

func (h *home) p(rel string) string { return filepath.Join(h.path, rel) }

// unmountAll leaves nothing mounted, whatever the test did.
func (h *home) unmountAll() {
	for range 100 {
		table, err := ReadTable()
		if err != nil {
			h.t.Error(err)
		}
		left := table.Beneath(h.path, 1000)
		if len(left) == 0 {
			return
		}
		slices.Reverse(left)
		for _, m := range left {
			unix.Unmount(m, unix.MNT_DETACH)
		}
	}
	h.t.Error("something stays mounted")
}

func (h *home) mkdir(rel string) string {
	h.t.Helper()
	must(h.t, os.MkdirAll(h.p(rel), 0o755))
	return h.p(rel)
}

// tree writes files and their contents beneath a directory.
func (h *home) tree(rel string, files ...string) {
	h.t.Helper()
	h.mkdir(rel)
	for _, f := range files {
		name, body, _ := strings.Cut(f, "=")
		must(h.t, os.MkdirAll(filepath.Dir(h.p(rel+"/"+name)), 0o755))
		must(h.t, os.WriteFile(h.p(rel+"/"+name), []byte(body), 0o644))
	}
}

func (h *home) pin(rel string) *Pinned {
	h.t.Helper()
	d, err := h.dir.Sub(rel, confine.NoLinks)
	must(h.t, err)
	defer d.Close()
	p, err := Pin(d)
	must(h.t, err)
	h.t.Cleanup(func() { p.Close() })
	return p
}

func (h *home) pins(rels ...string) []*Pinned {
	var all []*Pinned
	for _, r := range rels {
		all = append(all, h.pin(r))
	}
	return all
}

// overlay is a spec over directories of the home, the topmost first. With an
// upper directory, its sibling called work is the work directory.
func (h *home) overlay(upper string, lowers ...string) Spec {
	h.t.Helper()
	s := Spec{Kind: Overlay, Lower: h.pins(lowers...), UserXattr: inUserNamespace()}
	if upper != "" {
		h.mkdir(upper)
		h.mkdir(upper + ".work")
		s.Upper, s.Work = h.pin(upper), h.pin(upper+".work")
	}
	return s
}

func (h *home) mount(w way, s Spec, on string) ID {
	h.t.Helper()
	id, err := mountBy(context.Background(), w, s, h.mkdir(on))
	if errors.Is(err, errWay) {
		h.t.Skip("not on this kernel")
	}
	must(h.t, err)
	return id
}

// whiteout and opaque mark as overlay does.
func (h *home) whiteout(rel string) {
	h.t.Helper()
	must(h.t, unix.Mknod(h.p(rel), unix.S_IFCHR, 0))
}

func (h *home) opaque(rel string) {
	h.t.Helper()
	h.overlayAttr(rel, "opaque", "y")
}

// overlayAttr sets one of overlay's attributes, by the name that it is read by
// here, on a directory.
func (h *home) overlayAttr(rel, name, value string) {
	h.t.Helper()
	prefix := "trusted.overlay."
	if inUserNamespace() {
		prefix = "user.overlay."
	}
	err := unix.Setxattr(h.mkdir(rel), prefix+name, []byte(value), 0)
	if errors.Is(err, unix.ENOTSUP) {
		h.t.Skipf("the file system has no %s attributes; set TMPDIR to another", prefix)
	}
	must(h.t, err)
}

// seen lists the files of a tree with their contents.
func seen(t testing.TB, root string) string {
	t.Helper()
	var out []string
	must(t, filepath.WalkDir(root, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		if !e.Type().IsRegular() {
			out = append(out, rel+" "+e.Type().String())
			return nil
		}
		b, err := os.ReadFile(p)
		out = append(out, fmt.Sprintf("%s=%s", rel, b))
		return err
	}))
	return strings.Join(out, " ")
}

// byEachWay runs a test once for each way to the kernel.
func byEachWay(t *testing.T, f func(t *testing.T, w way)) {
	byWays(t, f, anyWay, byFD, byLink, byMountCall)
}

// byEachOrder runs a test by ways that differ in when a mount can be told
// from others: before it is there, or only then.
func byEachOrder(t *testing.T, f func(t *testing.T, w way)) {
	byWays(t, f, anyWay, byMountCall)
}

func byWays(t *testing.T, f func(t *testing.T, w way), ways ...way) {
	mayMount(t)
	for _, w := range ways {
		name := [...]string{anyWay: "the best", byFD: "descriptors", byLink: "links", byMountCall: "mount(2)"}[w]
		t.Run(name, func(t *testing.T) { f(t, w) })
	}
}
