package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
)

func newDockerCLI(t *testing.T) *cli {
	t.Helper()
	c := newCLI(t)
	if !slices.Contains(driverswasm.Names(), "overlay2") {
		t.Skip("the overlay2 driver is not built: run make drivers")
	}
	if os.Geteuid() != 0 {
		t.Skip("the files beneath Docker's root belong to root, and its whiteouts are devices: run as root")
	}
	return c
}

// everyFile is a line for each file: what stat says but for the time of access,
// and the content.
func everyFile(t *testing.T, root string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			return err
		}
		var content []byte
		if e.Type().IsRegular() {
			if content, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		fmt.Fprintf(&all, "%s %o %d:%d %d %v %v %x\n", path, st.Mode, st.Uid, st.Gid, st.Ino, st.Mtim, st.Ctim, sha256.Sum256(content))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestRootsOfLaterDockersAreReadAndNothingIsWritten(t *testing.T) {
	for _, version := range []int{24, 25, 26, 27, 28, 29} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			c := newDockerCLI(t)
			d := newDockerRoot(t, version, c.root)
			base, baseDiff := d.layer(dockerLayer{}, map[string]string{"etc/base": "base", "etc/gone": "gone"})
			top, topDiff := d.layer(base, map[string]string{"etc/app": "app", "etc/gone": ""})
			id := d.image("app:1", baseDiff, topDiff)
			box := d.container(id, top)
			mounts := d.imageMounts(box, top)
			d.buildkit(base)
			if version == 29 { // that was upgraded, switched to a containerd's store and back
				d.containerd()
			}
			before := everyFile(t, c.root)

			if got := c.good("image", "ls", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}} {{.Size}}"); got != id+" app:1 11B\n" {
				t.Errorf("image ls: %q", got)
			}
			if got := c.good("image", "inspect", "--format", "{{.ID}} {{.RootFS.Layers}} {{.Config.Cmd}}", "app:1"); got != fmt.Sprintf("%s [%s %s] [sh]\n", id, baseDiff, topDiff) {
				t.Errorf("image inspect: %q", got)
			}
			c.good("image", "inspect", "app:1")
			if got := c.good("image", "history", "--format", "{{.CreatedBy}} {{.Size}} {{.Comment}}", "app:1"); got != "RUN step 1 3B buildkit.dockerfile.v0\nRUN step 0 8B buildkit.dockerfile.v0\n" {
				t.Errorf("image history: %q", got)
			}
			c.good("image", "history", "app:1")
			if got := strings.Fields(c.good("layer", "ls", "-q", "--no-trunc")); len(got) != 2 || !slices.Contains(got, base.chain) || !slices.Contains(got, top.chain) {
				t.Errorf("layer ls: %q", got)
			}
			rw := c.good("layer", "ls", "--rw", "--no-trunc", "--format", "{{.Name}} {{.Image}} {{.Parent}} {{.Size}}")
			if !strings.Contains(rw, fmt.Sprintf("%s %s %s 2B\n", box, id, top.chain)) || strings.Count(rw, "\n") != 1+len(mounts) || strings.Count(rw, top.chain+" 0B\n") != len(mounts) {
				t.Errorf("layer ls --rw:\n%s", rw)
			}
			if got := c.good("layer", "changes", box); got != "A /x\n" {
				t.Errorf("layer changes: %q", got)
			}
			if got := c.good("check", "--full", "--format", "{{.Kind}} {{.Path}} {{.What}}"); got != "" {
				t.Errorf("check finds\n%s", got)
			}
			c.good("df")
			c.good("image", "save", "-o", filepath.Join(t.TempDir(), "o.tar"), "app:1")
			c.good("image", "verify")
			if after := everyFile(t, c.root); after != before {
				t.Errorf("reading has changed something:\n%s\nwas\n%s", after, before)
			}

			// What containers and BuildKit have is nobody's waste.
			c.good("gc")
			for _, tree := range mounts {
				if _, err := os.Stat(filepath.Join(c.root, "overlay2", tree, "diff")); err != nil {
					t.Errorf("gc: %v", err)
				}
			}
			if got := c.good("check", "--full", "--format", "{{.Kind}} {{.Path}} {{.What}}"); got != "" {
				t.Errorf("after gc check finds\n%s", got)
			}
			if version == 28 { // where one image's notes lie in another's
				c.bad(exitFailed, "lies beneath it", "layer", "rm", box+"-me")
				c.good("layer", "rm", box+"-me/app:1")
				c.good("layer", "rm", box+"-me")
				c.good("check")
			}
		})
	}
}

func TestTheImagesOfAFreshDocker29AreFoundAndKept(t *testing.T) {
	c := newDockerCLI(t)
	d := &dockerRoot{T: t, version: 29, dir: c.root}
	d.mkdir("", 0o710)
	d.mkdir("containers", 0o710)
	d.containerd()
	d.mkdir("buildkit", 0o711) // v27.4.0 controller.go: without snapshots, which are containerd's
	for _, name := range []string{"buildkit/history_c8d.db", "buildkit/cache.db", "buildkit/containerd-overlayfs/metadata_v2.db", "image/identity-cache.db", "volumes/metadata.db"} {
		d.bolt(name, func(func(string, ...string)) {})
	}
	d.mkdir("rootfs/overlayfs/"+d.id(), 0o710) // of an image that was mounted into a container
	before := everyFile(t, c.root)
	store := filepath.Join(c.root, "containerd/daemon")

	for _, args := range [][]string{{"image", "ls"}, {"image", "ls", "-q"}} {
		_, errs, code := c.do(args...)
		if code != exitOK || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "convert --to overlay2 --from-containerd "+store) {
			t.Errorf("%v: exit %d: %q", args, code, errs)
		}
	}
	if _, errs, code := c.do("image", "ls", "nothing:1"); code != exitOK || errs != "" {
		t.Errorf("a pattern that nothing matches: exit %d: %q", code, errs)
	}
	c.good("check", "--full")
	c.good("df")
	archive, _ := c.archive("one:1", "one")
	c.bad(exitFailed, "would no longer find them", "image", "load", "-i", archive)
	if after := everyFile(t, c.root); after != before {
		t.Errorf("something has changed:\n%s\nwas\n%s", after, before)
	}

	kept := everyFile(t, store)
	c.good("convert", "-q", "--to", "overlay2", "--from-containerd", store)
	if got := c.good("image", "ls", "--format", "{{.Repository}}:{{.Tag}} {{.Size}}"); got != "<none>:<none> 3B\nnew:1 3B\n" && got != "new:1 3B\n<none>:<none> 3B\n" {
		t.Errorf("converted: %q", got)
	}
	c.good("check", "--full")
	if everyFile(t, store) != kept {
		t.Error("convert has written to the containerd's store")
	}
	c.good("image", "load", "-q", "-i", archive) // a driver's directory is there now, and Docker goes by it
}

// A Docker that uses the system's containerd leaves no more than where it
// mounts its containers.
func TestAnEmptyRootOfADockerWithTheSystemsContainerdSaysWhereImagesAre(t *testing.T) {
	c := newDockerCLI(t)
	d := &dockerRoot{T: t, version: 29, dir: c.root}
	d.mkdir("", 0o710)
	d.mkdir("rootfs/overlayfs", 0o710)
	if _, errs, code := c.do("image", "ls"); code != exitOK || !strings.Contains(errs, "--from-containerd /var/lib/containerd") {
		t.Errorf("exit %d: %q", code, errs)
	}
}

func TestAnImageThatDockerHasMountedIntoAContainerIsInUse(t *testing.T) {
	c := newDockerCLI(t)
	d := newDockerRoot(t, 28, c.root)
	base, baseDiff := d.layer(dockerLayer{}, map[string]string{"etc/base": "base"})
	top, topDiff := d.layer(base, map[string]string{"etc/app": "app"})
	box := d.container(d.image("app:1", baseDiff), base)
	tool := d.image("tool:1", baseDiff, topDiff)
	d.describe(box, d.image("app:1", baseDiff), "overlay2", map[string]string{"/opt": tool})
	d.mount(box+"-tool:1", top, false)

	c.bad(exitFailed, "container "+box[:12]+" is using", "image", "rm", "tool:1")
	c.good("image", "prune", "--all", "--force")
	if got := strings.Fields(c.good("image", "ls", "--format", "{{.Repository}}")); len(got) != 2 {
		t.Errorf("left: %v", got)
	}
}
