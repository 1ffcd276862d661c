package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// twins is a root where BuildKit has built a layer that the store had, and
// another on top of its own tree of it: what "build --no-cache" of a file that
// is as it was leaves, with every version. (layer/migration.go
// RegisterByGraphID.) pruned: BuildKit has forgotten its tree, as after "builder
// prune", which leaves the tree itself.
func twins(t *testing.T, c *cli, pruned bool) (own, twin string) {
	t.Helper()
	d := newDockerRoot(t, 28, c.root)
	files := map[string]string{"etc/base": "base"}
	base, baseDiff := d.layer(dockerLayer{}, files)
	d.image("base:1", baseDiff)
	twin = d.id()[:25]
	d.tree(twin, "")
	d.archive(filepath.Join(c.root, "overlay2", twin, "diff"), files)
	top, topDiff := d.layer(dockerLayer{base.chain, twin}, map[string]string{"etc/app": "app"})
	id := d.image("app:1", baseDiff, topDiff)
	d.container(id, top)
	d.bolt("buildkit/snapshots.db", func(put func(value string, path ...string)) {
		if pruned {
			return
		}
		put("", "key", "parent")
		put(twin, "key", "committed")
		put(base.chain, "key", "chainid")
		put("", twin, "parent")
		put("", twin, "iscommitted")
	})
	return base.cacheID, twin
}

func TestALayerThatDockerBuiltOnAnotherTreeOfTheSameFilesIsSound(t *testing.T) {
	c := newDockerCLI(t)
	own, twin := twins(t, c, false)
	before := everyFile(t, c.root)
	if got := c.good("check", "--full", "--format", "{{.Kind}} {{.Path}} {{.What}}"); got != "" {
		t.Errorf("check finds\n%s", got)
	}
	at := t.TempDir()
	c.good("mount", "app:1", at)
	if b, err := os.ReadFile(filepath.Join(at, "etc/base")); string(b) != "base" {
		t.Errorf("the file beneath says %q: %v", b, err)
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, at) && (!strings.Contains(line, own) || strings.Contains(line, twin)) {
			t.Errorf("mounted is not the store's own tree %s: %s", own, line)
		}
	}
	c.good("umount", at)
	if after := everyFile(t, c.root); after != before {
		t.Errorf("reading has changed something:\n%s\nwas\n%s", after, before)
	}
	c.good("gc")
	if _, err := os.Stat(filepath.Join(c.root, "overlay2", twin, "diff/etc/base")); err != nil {
		t.Errorf("gc: %v", err)
	}
}

// dockerd names the tree in a stack, so that it is not for anybody to remove.
func TestATreeThatAStackNamesIsNotToldAsOneThatNobodyHas(t *testing.T) {
	c := newDockerCLI(t)
	_, twin := twins(t, c, true)
	for _, how := range []string{"--quick", "--full"} {
		if got := c.good("check", how, "--format", "{{.Kind}} {{.Path}} {{.What}}"); got != "" {
			t.Errorf("check %s finds\n%s", how, got)
		}
	}
	for _, cmd := range [][]string{{"gc"}, {"check", "--repair"}} {
		c.good(cmd...)
		if _, err := os.Stat(filepath.Join(c.root, "overlay2", twin, "diff/etc/base")); err != nil {
			t.Errorf("%v: %v", cmd, err)
		}
	}
}

func TestALayerThatWasBuiltOnATreeOfOtherFilesIsDamaged(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"content": func(dir string) error {
			path := filepath.Join(dir, "etc/base")
			st, err := os.Stat(path)
			if err != nil {
				return err
			}
			if err := os.WriteFile(path, []byte("vase"), 0o644); err != nil {
				return err
			}
			return os.Chtimes(path, st.ModTime(), st.ModTime())
		},
		"mode": func(dir string) error { return os.Chmod(filepath.Join(dir, "etc/base"), 0o755) },
		"time": func(dir string) error {
			return os.Chtimes(filepath.Join(dir, "etc/base"), dockersTime, dockersTime.AddDate(1, 0, 0))
		},
		"more": func(dir string) error { return os.WriteFile(filepath.Join(dir, "more"), nil, 0o644) },
		"less": func(dir string) error { return os.Remove(filepath.Join(dir, "etc/base")) },
		"gone": os.RemoveAll,
	} {
		t.Run(name, func(t *testing.T) {
			c := newDockerCLI(t)
			_, twin := twins(t, c, false)
			if err := damage(filepath.Join(c.root, "overlay2", twin, "diff")); err != nil {
				t.Fatal(err)
			}
			if out, errs, code := c.do("check"); code == exitOK || !strings.Contains(out, twin) {
				t.Errorf("check: exit %d: %q %q", code, out, errs)
			}
			if _, errs, code := c.do("mount", "app:1", t.TempDir()); code == exitOK {
				t.Errorf("mounted: %q", errs)
			}
			c.good("check", "--repair")
			c.good("check", "--full")
		})
	}
}
