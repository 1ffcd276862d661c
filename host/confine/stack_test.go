package confine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// randomLayer fills dir with what a layer may hold on top of others that were
// made of the same few names.
func randomLayer(t *testing.T, r *rand.Rand, dir string, depth int) {
	t.Helper()
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		p := filepath.Join(dir, name)
		var err error
		switch r.IntN(8) {
		case 0, 1:
			err = os.WriteFile(p, fmt.Append(nil, r.IntN(3)), 0o644)
		case 2:
			err = os.Symlink("elsewhere", p)
		case 3:
			err = unix.Mknod(p, unix.S_IFCHR, 0)
		case 4, 5:
			if depth == 0 {
				continue
			}
			if err = os.Mkdir(p, 0o755); err == nil && r.IntN(4) == 0 {
				err = unix.Setxattr(p, "trusted.overlay.opaque", []byte("y"), 0)
			}
			if err == nil {
				randomLayer(t, r, p, depth-1)
			}
		}
		if errors.Is(err, unix.EPERM) {
			t.Skip("overlay's marks cannot be made by this user")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// spell lists a tree as a listing sees it, with what files hold.
func spell(t *testing.T, tree Tree, p string) string {
	t.Helper()
	names, err := NewLister().List(tree, p, true)
	if err != nil {
		t.Fatalf("%s: %v", p, err)
	}
	var b strings.Builder
	for _, n := range names {
		at := join(clean(p), n.Name)
		fmt.Fprintf(&b, "%s %o %d.%d %d %x\n", at, n.Stat.Mode, n.Stat.Mtim.Sec, n.Stat.Mtim.Nsec, n.Stat.Size*int64(n.Stat.Type()&unix.S_IFREG), n.Attrs&1)
		switch n.Stat.Type() {
		case unix.S_IFDIR:
			b.WriteString(spell(t, tree, at))
		case unix.S_IFREG:
			d, err := tree.at(at)
			if err != nil {
				t.Fatal(err)
			}
			f, err := d.OpenRegular(at, NoLinks)
			if err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 8)
			n, _ := f.Read(buf)
			f.Close()
			fmt.Fprintf(&b, "\t%s\n", buf[:n])
		}
	}
	return b.String()
}

func dirsAt(t *testing.T, paths ...string) []*Dir {
	t.Helper()
	var dirs []*Dir
	for _, p := range paths {
		d, err := OpenDir(p)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		dirs = append(dirs, d)
	}
	return dirs
}

func TestAStackShowsWhatAnOverlayMountShows(t *testing.T) {
	for seed := range uint64(40) {
		dir := t.TempDir()
		r := rand.New(rand.NewPCG(seed, 1))
		var paths []string
		for i := range 2 + r.IntN(4) {
			p := filepath.Join(dir, fmt.Sprint(i))
			if err := os.Mkdir(p, 0o755); err != nil {
				t.Fatal(err)
			}
			randomLayer(t, r, p, 2)
			paths = append(paths, p)
		}
		merged := filepath.Join(dir, "merged")
		if err := os.Mkdir(merged, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("overlay", merged, "overlay", unix.MS_RDONLY, "lowerdir="+strings.Join(paths, ":")); err != nil {
			t.Skipf("overlay cannot be mounted here: %v", err)
		}
		want := spell(t, dirsAt(t, merged)[0], "")
		if err := unix.Unmount(merged, unix.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
		if got := spell(t, NewStack(dirsAt(t, paths...), false), ""); got != want {
			t.Errorf("seed %d: the stack shows\n%swant\n%s", seed, got, want)
		}
	}
}

// A walk through two stacks finds what one through their listings finds.
func TestAWalkFindsAllThatDiffersAndNoMore(t *testing.T) {
	for seed := range uint64(60) {
		dir := t.TempDir()
		r := rand.New(rand.NewPCG(seed, 2))
		var paths []string
		for i := range 4 {
			p := filepath.Join(dir, fmt.Sprint(i))
			if err := os.Mkdir(p, 0o755); err != nil {
				t.Fatal(err)
			}
			randomLayer(t, r, p, 2)
			paths = append(paths, p)
		}
		dirs := dirsAt(t, paths...)
		added := 1 + int(seed%3)
		old, new := NewStack(dirs[added:], false), NewStack(dirs, false)
		same := func(a, b *Name) bool {
			return a.Stat.Mode == b.Stat.Mode && a.Stat.Size == b.Stat.Size &&
				(a.Stat.Type() == unix.S_IFDIR || a.Stat.Mtim == b.Stat.Mtim && a.Stat.Ino == b.Stat.Ino)
		}
		found, err := NewLister().Walk(context.Background(), old, new, "", true, same, 2)
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		differences(t, old, new, "", same, &want)
		reported(t, found, new, "", same, &got)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("seed %d:\ngot  %v\nwant %v", seed, got, want)
		}
	}
}

// differences names all that is not the same, from plain listings.
func differences(t *testing.T, old, new Tree, p string, same Same, out *[]string) {
	t.Helper()
	l := NewLister()
	olds, err := l.List(old, p, true)
	news, err2 := l.List(new, p, true)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	was := map[string]Name{}
	for _, n := range olds {
		was[n.Name] = n
	}
	for _, n := range news {
		at := join(clean(p), n.Name)
		o, both := was[n.Name]
		delete(was, n.Name)
		if !both || !same(&o, &n) {
			*out = append(*out, at)
		}
		if both && o.Stat.Type() == unix.S_IFDIR && n.Stat.Type() == unix.S_IFDIR {
			differences(t, old, new, at, same, out)
		}
	}
	for _, n := range olds {
		if _, gone := was[n.Name]; gone {
			*out = append(*out, "-"+join(clean(p), n.Name))
		}
	}
}

// reported is the same from what a walk found.
func reported(t *testing.T, found *Differences, new Tree, p string, same Same, out *[]string) {
	t.Helper()
	olds, news, err, err2, both := found.At(p)
	if err != nil || err2 != nil || !both {
		t.Fatal(p, err, err2, both)
	}
	was := map[string]Name{}
	for _, n := range olds {
		was[n.Name] = n
	}
	for _, n := range news {
		at := join(clean(p), n.Name)
		o, both := was[n.Name]
		delete(was, n.Name)
		if !both || !same(&o, &n) {
			*out = append(*out, at)
		}
		if both && o.Stat.Type() == unix.S_IFDIR && n.Stat.Type() == unix.S_IFDIR {
			before := len(*out)
			reported(t, found, new, at, same, out)
			if len(*out) == before && same(&o, &n) {
				t.Errorf("%s is named, and nothing in it differs", at)
			}
		}
	}
	for _, n := range olds {
		if _, gone := was[n.Name]; gone {
			*out = append(*out, "-"+join(clean(p), n.Name))
		}
	}
}

func TestAWalkEndsWithItsContext(t *testing.T) {
	dirs := dirsAt(t, t.TempDir(), t.TempDir())
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("enough")
	cancel(cause)
	_, err := NewLister().Walk(ctx, dirs[0], dirs[1], "", false, func(_, _ *Name) bool { return true }, 2)
	if !errors.Is(err, cause) {
		t.Error(err)
	}
}
