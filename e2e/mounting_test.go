//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// mount mounts something until the test ends and returns where.
func (p *program) mount(args ...string) string {
	p.t.Helper()
	if os.Geteuid() != 0 {
		p.t.Skip("mounting needs root")
	}
	target := strings.TrimSpace(p.ok(append([]string{"mount"}, args...)...))
	p.t.Cleanup(func() { syscall.Unmount(target, syscall.MNT_DETACH) }) // if the test has not
	return target
}

// readLine is the content of a small file.
func readLine(t testing.TB, parts ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// cacheIDs are the driver's names of a layer and those beneath it, by the
// layer's chain ID.
func cacheIDs(t testing.TB, root, driver, chain string) []string {
	t.Helper()
	var ids []string
	for chain != "" {
		dir := filepath.Join(root, "image", driver, "layerdb/sha256", strings.TrimPrefix(chain, "sha256:"))
		ids = append(ids, readLine(t, dir, "cache-id"))
		chain = ""
		if _, err := os.Stat(filepath.Join(dir, "parent")); err == nil {
			chain = readLine(t, dir, "parent")
		}
	}
	return ids
}

// dockersTree is a layer's tree as dockerd has it in a root that it wrote. For
// overlay2 its directories are mounted the way overlay2's Get does, read-only.
// A running container shows the same with more on top: its init layer and what
// runc mounts, which would have to be taken away again by guess.
func dockersTree(t testing.TB, root, driver, chain string) string {
	t.Helper()
	ids := cacheIDs(t, root, driver, chain)
	if driver == "vfs" {
		return filepath.Join(root, "vfs/dir", ids[0])
	}
	var dirs []string
	for _, id := range ids {
		dirs = append(dirs, filepath.Join(root, driver, id, "diff"))
	}
	if len(dirs) == 1 {
		return dirs[0]
	}
	on := t.TempDir()
	if err := syscall.Mount("overlay", on, "overlay", syscall.MS_RDONLY, "index=off,lowerdir="+strings.Join(dirs, ":")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(on, syscall.MNT_DETACH) })
	return on
}

// topLayer is the chain ID of the newest image's upper layer.
func (p *program) topLayer() string {
	p.t.Helper()
	chains := strings.Fields(p.ok("layer", "ls", "-q", "--no-trunc"))
	return chains[len(chains)-1]
}

func TestAMountShowsWhatDockerdMounts(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"overlay2", "vfs"} {
		for name, image := range map[string]func(t *testing.T, driver string) string{
			"a real image": func(t *testing.T, _ string) string { return debianSlimForDocker(t) },
			"an awkward image": func(t *testing.T, driver string) string {
				layers := awkwardLayers(t)
				if driver == "overlay2" {
					layers = withoutLinksToLowers(t, layers)
				}
				return dockerArchive(t, layers...)
			},
		} {
			t.Run(driver+", "+name, func(t *testing.T) {
				t.Parallel()
				archive := image(t, driver)
				d := newDaemon(t, driver)
				d.docker("load", "-i", archive)
				d.stop()
				p := newProgram(t)
				p.driver = driver
				p.ok("image", "load", "-i", archive)
				chain := p.topLayer()
				ours := p.mount(strings.TrimSpace(p.ok("image", "ls", "-q")))
				theirs := dockersTree(t, d.root(), driver, chain)
				for _, diff := range compareTrees(t, theirs, ours) {
					if i := slices.IndexFunc(differences, func(k difference) bool { return k.of.MatchString(diff) }); i >= 0 {
						t.Logf("%s: %s", diff, differences[i].why)
						continue
					}
					t.Errorf("dockerd's and ours: %s", diff)
				}
				if err := os.Mkdir(filepath.Join(ours, "new"), 0o700); !errors.Is(err, syscall.EROFS) {
					t.Errorf("the mount can be written to: %v", err)
				}
				p.ok("umount", ours)
				if _, err := os.Stat(ours); !os.IsNotExist(err) {
					t.Errorf("the directory that was made is left: %v", err)
				}
			})
		}
	}
}

// withoutLinksToLowers leaves out hard links to files of lower layers, which
// dockerd's overlay2 refuses: "link /setuid /hard-to-lower: no such file".
func withoutLinksToLowers(t testing.TB, layers [][]byte) [][]byte {
	t.Helper()
	var out [][]byte
	for _, l := range layers {
		var entries []tar.Header
		here := map[string]bool{}
		r := tar.NewReader(bytes.NewReader(l))
		for {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.Typeflag == tar.TypeLink && !here[h.Linkname] {
				continue
			}
			here[h.Name] = true
			if h.Typeflag == tar.TypeReg {
				body, err := io.ReadAll(r)
				if err != nil {
					t.Fatal(err)
				}
				h.Uname = string(body)
			}
			entries = append(entries, *h)
		}
		out = append(out, pack(t, entries...))
	}
	return out
}

// debianSlimForDocker is the real image as docker 20.10 loads it.
func debianSlimForDocker(t *testing.T) string {
	p := newProgram(t)
	p.ok("image", "load", "-i", debianSlim(t))
	out := filepath.Join(t.TempDir(), "o.tar")
	p.ok("image", "save", "--format", "docker-archive", "-o", out, debianSlimID)
	return out
}
