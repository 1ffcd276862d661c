package treecheck_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
	"github.com/bulkhead/bulkhead/drivers-wasm/overlay2"
	"github.com/bulkhead/bulkhead/drivers-wasm/vfs"
	"github.com/bulkhead/bulkhead/graphdriver"
	. "github.com/bulkhead/bulkhead/graphdriver/graphtest"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/layer/treecheck"
)

// store is a driver with layers, and what their archives say.
type store struct {
	*testing.T
	d        *host.Driver
	home     string
	deltas   bool
	archives map[string][]byte
	parents  map[string]string
}

func open(t *testing.T, name string) *store {
	t.Helper()
	driver := host.Native(vfs.Driver{})
	if name == "overlay2" {
		driver = host.Native(&overlay2.Driver{})
	}
	root := t.TempDir()
	s := &store{T: t, home: filepath.Join(root, name), archives: map[string][]byte{}, parents: map[string]string{}}
	var err error
	s.d, err = host.Open(context.Background(), host.Config{
		Name: name, Home: s.home, State: filepath.Join(root, "state"), Embedded: true,
		Unprivileged: os.Geteuid() != 0, Grants: driverswasm.Grants(name),
	}, driver)
	if graphdriver.IsUnsuitable(err) {
		t.Skip("this machine lacks what the driver needs: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.d.Close(context.Background()) })
	s.deltas = s.d.Capabilities().Deltas
	return s
}

func (s *store) layer(id, parent string, entries ...Entry) {
	s.Helper()
	b := Archive(s.T, entries...)
	s.archives[id], s.parents[id] = b, parent
	if err := s.d.Create(s.Context(), id, parent, graphdriver.CreateOptions{}); err != nil {
		s.Fatal(err)
	}
	if _, err := s.d.ApplyDiff(s.Context(), id, parent, bytes.NewReader(b)); err != nil {
		s.Fatal(err)
	}
}

func (s *store) model(id string) *treecheck.Model {
	s.Helper()
	var chain []string
	for at := id; at != ""; at = s.parents[at] {
		chain = append([]string{at}, chain...)
	}
	m := treecheck.NewTree()
	for i, at := range chain {
		if s.deltas && i == len(chain)-1 {
			m = treecheck.NewDelta(m)
		}
		if err := m.Add(layertar.NewReader(bytes.NewReader(s.archives[at]), nil)); err != nil {
			s.Fatal(err)
		}
	}
	return m
}

func (s *store) differences(id string) []string {
	s.Helper()
	tree, err := s.d.StoredTree(s.Context(), id)
	if err != nil {
		s.Fatal(err)
	}
	defer tree.Close()
	var out []string
	err = s.model(id).Compare(s.Context(), tree, func(d treecheck.Difference) error {
		out = append(out, d.String())
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
	return out
}

// path is a file of a layer on disk.
func (s *store) path(id, p string) string {
	if s.deltas {
		return filepath.Join(s.home, id, "diff", p)
	}
	return filepath.Join(s.home, "dir", id, p)
}

func base(s *store) {
	s.layer("l0", "", Dir("d"), File("d/a", "1"), File("d/b", "22"), Dir("d/sub"), File("d/sub/x", "1"), Symlink("s", "d/a"),
		Link("twin", "d/a"), Dir("gone"), File("gone/x", "1"), File("f", "123"), Dir("other"), File("other/y", "1"),
		File("attr", "x").Xattr("user.k", "v"), Dir("cut"), File("cut/old", "1"))
	s.layer("l1", "l0", Dir("d"), File("d/b", "other"), Whiteout("gone"), Dir("cut"), Opaque("cut"), File("cut/new", "1"),
		Whiteout("nothing"), Whiteout("no/such"), Link("up", "f"), File("implied/x", "1"), File("f2", "1"))
	s.layer("l2", "l1", Whiteout("d"), Dir("d"), File("d/z", "1"), File("gone", "a file now"))
	s.layer("l3", "l2")
}

func each(t *testing.T, run func(*store)) {
	for _, name := range []string{"vfs", "overlay2"} {
		t.Run(name, func(t *testing.T) {
			s := open(t, name)
			base(s)
			run(s)
		})
	}
}

func TestWhatADriverMadeIsWhatTheArchivesSay(t *testing.T) {
	each(t, func(s *store) {
		for _, id := range []string{"l0", "l1", "l2", "l3"} {
			if d := s.differences(id); len(d) > 0 {
				s.Errorf("%s: %v", id, d)
			}
		}
	})
}

func TestEveryAlterationIsFoundAndNamed(t *testing.T) {
	later := time.Unix(1_600_000_000, 1)
	keep := func(p string, do func() error) error {
		fi, err := os.Lstat(p)
		if err == nil {
			err = do()
		}
		if err == nil {
			err = os.Chtimes(p, fi.ModTime(), fi.ModTime())
		}
		return err
	}
	for name, test := range map[string]struct {
		path string
		root bool
		do   func(s *store, p string) error
		want string
	}{
		"a mode":             {path: "f2", do: func(_ *store, p string) error { return os.Chmod(p, 0o600) }, want: `"f2" has mode 0600`},
		"a directory's":      {path: "cut", do: func(_ *store, p string) error { return os.Chmod(p, 0o777) }, want: `"cut" has mode 0777`},
		"set-uid":            {path: "f2", do: func(_ *store, p string) error { return unix.Chmod(p, 0o4644) }, want: `"f2" has mode 04644`},
		"an owner":           {path: "f2", root: true, do: func(_ *store, p string) error { return os.Lchown(p, 77, -1) }, want: `"f2" has owner 77`},
		"a group":            {path: "f2", root: true, do: func(_ *store, p string) error { return os.Lchown(p, -1, 78) }, want: `"f2" has group 78`},
		"a time":             {path: "f2", do: func(_ *store, p string) error { return os.Chtimes(p, later, later) }, want: `"f2" has time 1600000000.000000001`},
		"a size":             {path: "f2", do: func(_ *store, p string) error { return keep(p, func() error { return os.Truncate(p, 5) }) }, want: `"f2" has size 5`},
		"a new attribute":    {path: "f2", do: func(_ *store, p string) error { return unix.Setxattr(p, "user.x", []byte("1"), 0) }, want: `"f2" has the attribute user.x`},
		"a missing file":     {path: "f2", do: func(_ *store, p string) error { return os.Remove(p) }, want: `"f2" is missing, where there should be a file`},
		"a missing tree":     {path: "cut", do: func(_ *store, p string) error { return os.RemoveAll(p) }, want: `"cut" is missing, where there should be a directory`},
		"an extra file":      {path: "cut/more", do: func(_ *store, p string) error { return os.WriteFile(p, nil, 0o644) }, want: `"cut/more" is a file that the archive does not have`},
		"an extra directory": {path: "evil", do: func(_ *store, p string) error { return os.Mkdir(p, 0o755) }, want: `"evil" is a directory that`},
		"a type": {path: "f2", do: func(_ *store, p string) error {
			if err := os.Remove(p); err != nil {
				return err
			}
			return os.Symlink("f", p)
		}, want: `"f2" is a symlink and should be a file`},
		"a name more": {path: "f2", do: func(s *store, p string) error { return os.Link(p, filepath.Join(s.home, "..", "outside")) },
			want: `"f2" has 2 names, and 1 are the layer's`},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(s *store) {
				if test.root && os.Geteuid() != 0 {
					s.Skip("needs root")
				}
				if err := test.do(s, s.path("l1", test.path)); err != nil {
					s.Fatal(err)
				}
				if d := s.differences("l1"); !slices.ContainsFunc(d, func(l string) bool { return strings.HasPrefix(l, test.want) }) {
					s.Errorf("%q is not among %q", test.want, d)
				}
			})
		})
	}
}

func TestAlterationsOfLinksAndAttributes(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(s *store) error
		want string
	}{
		"a link group taken apart": {func(s *store) error {
			p := s.path("l0", "twin")
			return replace(p, "1")
		}, `is a file of its own and should be another name of`},
		"two files made one": {func(s *store) error {
			p := s.path("l0", "other/y")
			if err := os.Remove(p); err != nil {
				return err
			}
			return os.Link(s.path("l0", "d/sub/x"), p)
		}, `"other/y" is another name of "d/sub/x" and should be a file of its own`},
		"a target": {func(s *store) error {
			p := s.path("l0", "s")
			if err := os.Remove(p); err != nil {
				return err
			}
			return os.Symlink("d/b", p)
		}, `"s" has `},
		"an attribute's value": {func(s *store) error { return unix.Setxattr(s.path("l0", "attr"), "user.k", []byte("w"), 0) },
			`"attr" has another value of the attribute user.k`},
		"a lost attribute": {func(s *store) error { return unix.Removexattr(s.path("l0", "attr"), "user.k") },
			`"attr" lacks the attribute user.k`},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(s *store) {
				if err := test.do(s); err != nil {
					s.Fatal(err)
				}
				if d := fmt.Sprint(s.differences("l0")); !strings.Contains(d, test.want) {
					s.Errorf("%q is not in %s", test.want, d)
				}
			})
		})
	}
}

func replace(p, content string) error {
	fi, err := os.Lstat(p)
	if err == nil {
		err = os.Remove(p)
	}
	if err == nil {
		err = os.WriteFile(p, []byte(content), fi.Mode())
	}
	if err == nil {
		err = os.Chtimes(p, fi.ModTime(), fi.ModTime())
	}
	return err
}

// Of a delta the marks count as much as the files.
func TestMarksOfOverlayAreFoundWantingAndFoundTooMany(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(s *store) error
		want string
	}{
		"a whiteout gone": {func(s *store) error { return os.Remove(s.path("l1", "gone")) }, `"gone" is missing, where there should be a whiteout`},
		"a whiteout more": {func(s *store) error { return unix.Mknod(s.path("l1", "s"), unix.S_IFCHR, 0) }, `"s" is a whiteout that the archive does not have`},
		"a mark gone": {func(s *store) error { return unix.Removexattr(s.path("l1", "cut"), "trusted.overlay.opaque") },
			`"cut" shows what lies beneath and should hide it`},
		"a mark more": {func(s *store) error {
			return unix.Setxattr(s.path("l1", "d"), "trusted.overlay.opaque", []byte("y"), 0)
		}, `"d" hides what lies beneath and should not`},
		"a directory that came back": {func(s *store) error { return unix.Removexattr(s.path("l2", "d"), "trusted.overlay.opaque") },
			`"d" shows what lies beneath`},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, "overlay2")
			base(s)
			if err := test.do(s); err != nil {
				s.Fatal(err)
			}
			if d := fmt.Sprint(s.differences("l1"), s.differences("l2")); !strings.Contains(d, test.want) {
				s.Errorf("%q is not in %s", test.want, d)
			}
		})
	}
}
