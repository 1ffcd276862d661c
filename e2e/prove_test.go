//go:build e2e

package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lowest is a path in the directory of an image's lowest layer.
func (p *program) lowest(image, path string) string {
	p.t.Helper()
	id := p.cacheID(p.diffIDs(image)[0])
	if p.driver == "overlay2" {
		return filepath.Join(p.root, "overlay2", id, "diff", path)
	}
	return filepath.Join(p.root, "vfs/dir", id, path)
}

// swap puts another file with the same metadata and content of the same size
// in a file's place.
func swap(path string) error {
	fi, err := os.Lstat(path)
	if err != nil {
		return err
	}
	st := fi.Sys().(*syscall.Stat_t)
	b, err := os.ReadFile(path)
	if err == nil {
		b[0] ^= 1
		err = os.WriteFile(path+".new", b, fi.Mode())
	}
	return errors.Join(err, os.Lchown(path+".new", int(st.Uid), int(st.Gid)), os.Chtimes(path+".new", fi.ModTime(), fi.ModTime()),
		os.Rename(path+".new", path), os.Chtimes(filepath.Dir(path), time.Unix(0, 0), fi.ModTime()))
}

func TestAMountIsRefusedWhenALowerLayerWasAltered(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	image := debianSlim(t)
	first := newProgramOn(t, "overlay2")
	first.ok("image", "load", "-q", "-i", image)
	for name, test := range map[string]struct {
		path  string
		alter func(path string) error
		says  string
	}{
		"a file is swapped":      {"etc/debian_version", swap, "etc/debian_version"},
		"a file is chmodded":     {"etc/shadow", func(p string) error { return os.Chmod(p, 0o644) }, `"etc/shadow"`},
		"a program gets set-uid": {"bin/ls", func(p string) error { return unix.Chmod(p, 0o4755) }, `bin/ls"`},
		"a file is added": {"etc/cron.d/evil", func(p string) error {
			return errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte("x"), 0o644))
		}, "etc/cron.d"},
		"a file is removed":     {"etc/hostname", os.Remove, `"etc/hostname"`},
		"a file becomes a link": {"etc/passwd", func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/proc/self/environ", p)) }, `"etc/passwd"`},
		"an owner is another":   {"etc/group", func(p string) error { return os.Lchown(p, 1000, 1000) }, `"etc/group"`},
		"a capability is added": {"bin/cat", func(p string) error {
			return unix.Setxattr(p, "security.capability", []byte("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0)
		}, `bin/cat"`},
		"a whiteout hides a file": {"etc/issue", func(p string) error { return errors.Join(os.Remove(p), unix.Mknod(p, unix.S_IFCHR, 0)) }, `"etc/issue"`},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgramOn(t, "overlay2")
			tool(t, "cp", "-a", "--reflink=auto", first.root+"/.", p.root)
			// A copy has other inodes: the first mount proves it in full and
			// stamps it.
			dir := strings.TrimSpace(p.ok("mount", debianSlimID))
			p.ok("umount", dir)
			path := p.lowest(debianSlimID, test.path)
			if _, err := os.Lstat(path); err != nil && name != "a file is added" {
				t.Fatal(err)
			}
			if err := test.alter(path); err != nil {
				t.Fatal(err)
			}
			for _, how := range []string{"quick", "full"} {
				p.fails(3, []string{test.says}, "mount", "--verify="+how, debianSlimID)
			}
			p.fails(3, []string{test.says}, "image", "verify", debianSlimID)
			if out := p.ok("mount", "--format", "{{.Target}}"); strings.TrimSpace(out) != "" {
				t.Errorf("mounted: %s", out)
			}
			// Who wants it all the same can have it.
			p.ok("umount", strings.TrimSpace(p.ok("mount", "--verify=none", debianSlimID)))
		})
	}
}

func TestAStampIsTakenAtLoadAndTellsACopyFromItsOriginal(t *testing.T) {
	t.Parallel()
	image := debianSlim(t)
	onBothDrivers(t, func(t *testing.T, p *program) {
		p.ok("image", "load", "-q", "-i", image)
		stamps := func() string {
			t.Helper()
			var all strings.Builder
			names, err := filepath.Glob(filepath.Join(p.root, "bulkhead", p.driver, "stamp-*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				b, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				all.WriteString(filepath.Base(name) + string(b))
			}
			return all.String()
		}
		before := stamps()
		if n := strings.Count(before, "stamp-"); n != len(p.diffIDs(debianSlimID)) {
			t.Fatalf("%d stamps: %s", n, before)
		}
		p.ok("umount", strings.TrimSpace(p.ok("mount", debianSlimID)))
		if stamps() != before {
			t.Error("a mount of what is as it was took another stamp")
		}
		// Touched and as it was: read in full, and believed.
		path := p.lowest(debianSlimID, "etc/debian_version")
		fi, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Chmod(path, 0o600), os.Chmod(path, fi.Mode())); err != nil {
			t.Fatal(err)
		}
		p.ok("umount", strings.TrimSpace(p.ok("mount", debianSlimID)))
		if p.driver == "overlay2" && stamps() == before {
			t.Error("no new stamp was taken")
		}
	})
}
