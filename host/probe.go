package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/confine"
	"github.com/bulkhead/bulkhead/host/mount"
)

// facts are what a driver is told of its home: always how overlay keeps its
// marks there and the file system's name; and before the home is set up
// whether an overlay works, which is found out by mounting one.
func facts(ctx context.Context, home string, setup bool) []graphdriver.Pair {
	var out []graphdriver.Pair
	if magic, err := graphdriver.FSMagicOf(home); err == nil {
		out = append(out, graphdriver.Pair{Key: "fs", Value: magic.String()})
	}
	attrs := "trusted"
	if graphdriver.InUserNamespace() {
		attrs = "user"
	}
	out = append(out, graphdriver.Pair{Key: "overlay-attrs", Value: attrs})
	if !setup {
		return out
	}
	overlay, types := "yes", "yes"
	if err := tryOverlay(ctx, home, attrs == "user"); err != nil {
		overlay = err.Error()
	}
	if !tellsTypes(home) {
		types = "no"
	}
	return append(out, graphdriver.Pair{Key: "overlay", Value: overlay}, graphdriver.Pair{Key: "d_type", Value: types})
}

// probePrefix begins the names of directories in which things are tried out.
const probePrefix = ".probe-"

// sweepProbes removes what a crash left of them, with the overlay that may be
// mounted there. Nobody else writes to the home.
func sweepProbes(home string) error {
	entries, err := os.ReadDir(home)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), probePrefix) || !e.IsDir() {
			continue
		}
		dir := filepath.Join(home, e.Name())
		// It is mounted, or it is not, or it may not be unmounted, which
		// removing the directory tells.
		_ = unix.Unmount(filepath.Join(dir, "tree"), unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// tellsTypes reports whether reading a directory tells types of names.
func tellsTypes(home string) bool {
	dir, err := os.MkdirTemp(home, probePrefix)
	if err != nil {
		return true // whatever is wrong will be said elsewhere
	}
	defer os.RemoveAll(dir)
	if os.Mkdir(filepath.Join(dir, "d"), 0o700) != nil {
		return true
	}
	f, err := os.Open(dir)
	if err != nil {
		return true
	}
	defer f.Close()
	names, err := confine.ReadDirNames(int(f.Fd()))
	return err != nil || len(names) != 1 || names[0].Type == unix.S_IFDIR
}

// tryOverlay mounts an overlay with a whiteout and an opaque directory, and
// looks whether they hide what they should.
func tryOverlay(ctx context.Context, home string, user bool) (err error) {
	dir, err := os.MkdirTemp(home, probePrefix)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, p := range []string{"lower/hidden", "lower/cut/below", "upper/cut", "work", "tree"} {
		if err := os.MkdirAll(filepath.Join(dir, p), 0o700); err != nil {
			return err
		}
	}
	if err := unix.Mknod(filepath.Join(dir, "upper/hidden"), unix.S_IFCHR, 0); err != nil {
		return fmt.Errorf("a whiteout cannot be made: %w", err)
	}
	attr := "trusted.overlay.opaque"
	if user {
		attr = "user.overlay.opaque"
	}
	if err := unix.Setxattr(filepath.Join(dir, "upper/cut"), attr, []byte("y"), 0); err != nil {
		return fmt.Errorf("the attribute %s cannot be set: %w", attr, err)
	}
	spec := mount.Spec{Kind: mount.Overlay, UserXattr: user}
	pin := func(name string) *mount.Pinned {
		if err != nil {
			return nil
		}
		var d *confine.Dir
		if d, err = confine.OpenDir(filepath.Join(dir, name)); err != nil {
			return nil
		}
		defer d.Close()
		var p *mount.Pinned
		p, err = mount.Pin(d)
		return p
	}
	pins := []*mount.Pinned{pin("lower"), pin("upper"), pin("work")}
	defer func() {
		for _, p := range pins {
			if p != nil {
				p.Close()
			}
		}
	}()
	if err != nil {
		return err
	}
	spec.Lower, spec.Upper, spec.Work = pins[:1], pins[1], pins[2]
	tree := filepath.Join(dir, "tree")
	if _, err := mount.Mount(ctx, spec, tree); err != nil {
		return err
	}
	hidden, cut := there(filepath.Join(tree, "hidden")), there(filepath.Join(tree, "cut/below"))
	if err := mount.Unmount(ctx, tree, true); err != nil {
		return err
	}
	if hidden || cut {
		return errors.New("a mounted overlay shows what it should hide")
	}
	return nil
}

func there(p string) bool {
	_, err := os.Lstat(p)
	return err == nil
}
