//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestADockersRootIsMendedAndSweptAndItsDockerdGoesOn(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"overlay2", "vfs"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			d := used(t, driver)
			changes := lineSet(d.docker("diff", "exited"))
			id := strings.TrimSpace(d.docker("inspect", "--format", "{{.Id}}", "exited"))
			// In use while dockerd runs, and read all the same.
			p := onDaemonsRoot(d)
			running := p.run("check")
			d.docker("kill", "running")
			d.stop()
			if stopped := p.run("check"); running.code != 0 || stopped.code != 0 {
				t.Errorf("check: %s%s", running.stdout, stopped.stdout)
			}
			trees := func() []string { return names(t, d, driver) }
			before := trees()
			if out := p.ok("gc"); !strings.HasPrefix(out, "Total reclaimed space: 0B\n") {
				t.Errorf("gc of what is in use: %s", out)
			}
			if after := trees(); !slices.Equal(before, after) {
				t.Errorf("gc took from the driver: %d and %d", len(before), len(after))
			}

			chain := p.lowestChain()
			dir := filepath.Join(d.root(), "image", driver, "layerdb/sha256", chain)
			cache, err := os.ReadFile(filepath.Join(dir, "cache-id"))
			if err != nil {
				t.Fatal(err)
			}
			tree := filepath.Join(d.root(), "vfs/dir", string(cache))
			if driver == "overlay2" {
				tree = filepath.Join(d.root(), "overlay2", string(cache), "diff")
				if err := os.Remove(filepath.Join(filepath.Dir(tree), "link")); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range []string{filepath.Join(tree, "etc/debian_version"), filepath.Join(dir, "size"), filepath.Join(dir, "diff")} {
				if err := os.WriteFile(f, []byte("damaged"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if r := p.run("check", "--full"); r.code != 3 {
				t.Fatalf("check: exit %d: %s", r.code, r.stdout)
			}
			if _, err := os.Stat(filepath.Join(d.root(), "buildkit/snapshots.db")); err != nil {
				t.Fatal(err) // then the test would say nothing of BuildKit
			}
			p.ok("check", "--repair", "--from", debianSlimForDocker(t))
			p.ok("check", "--full")
			p.ok("gc")
			p.ok("check", "--full")
			if after := trees(); !slices.Equal(before, after) {
				t.Errorf("the driver has %q instead of %q", after, before)
			}

			d.start()
			if got := d.docker("run", "--rm", "--network", "none", "slim:e2e", "cat", "/etc/debian_version"); strings.Contains(got, "damaged") {
				t.Errorf("a container says %q", got)
			}
			if got := lineSet(d.docker("diff", id)); !slices.Equal(got, changes) {
				t.Errorf("a container of before has changed %q instead of %q", got, changes)
			}
			d.docker("start", "running")
			d.docker("save", "-o", filepath.Join(t.TempDir(), "o.tar"), "buildkit:e2e", "classic:e2e", "committed:e2e", "slim:e2e")
			d.docker("kill", "running")
			d.stop()
		})
	}
}

// names are the driver's layers.
func names(t *testing.T, d *daemon, driver string) (out []string) {
	t.Helper()
	home := map[string]string{"overlay2": "overlay2", "vfs": "vfs/dir"}[driver]
	entries, err := os.ReadDir(filepath.Join(d.root(), home))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// lowestChain is the directory of the one layer that lies on nothing and that
// others lie on.
func (p *program) lowestChain() string {
	p.t.Helper()
	dirs, err := filepath.Glob(filepath.Join(p.root, "image", p.driver, "layerdb/sha256/*"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "parent")); os.IsNotExist(err) {
			return filepath.Base(dir)
		}
	}
	p.t.Fatal("there is no lowest layer")
	return ""
}
