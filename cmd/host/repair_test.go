package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/image/repair"
)

// inventory is what lies beneath a root, a line for each name: what a container
// would see of trees to the nanosecond, and what Docker reads of the rest. Left
// out are locks, hints and what repairs keep.
func inventory(t *testing.T, root, driver string, lost bool) map[string]string {
	t.Helper()
	out := map[string]string{}
	groups := map[uint64]string{}
	kept := keptIDs(t, root, driver)
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		if ours, ok := strings.CutPrefix(rel, "bulkhead/"); ok && !strings.Contains(ours, "/journal/") {
			if d.IsDir() && strings.HasSuffix(ours, "/undo") {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(rel, ".was") || rel == "bulkhead" {
			return nil // the damage's own
		}
		for id := range kept {
			if strings.Contains(rel, id) {
				if d.IsDir() {
					return filepath.SkipDir
				}
				return nil
			}
		}
		if d.IsDir() && (strings.HasSuffix(rel, "/layerdb/mounts") || strings.Contains(rel, "/imagedb/metadata/sha256/")) {
			return nil // may have been made by the damage
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		st := fi.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%v %d:%d", fi.Mode(), st.Uid, st.Gid)
		inTree := strings.HasPrefix(rel, driver+"/") && (strings.Contains(rel, "/diff/") || strings.HasSuffix(rel, "/diff") || strings.HasPrefix(rel, driver+"/dir/"))
		switch {
		case fi.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			if linkOfKept(target, kept) {
				return nil
			}
			line += " -> " + target
		case fi.Mode().IsRegular():
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %x", b)
		}
		if isRoot := strings.HasSuffix(rel, "/diff") || filepath.Dir(rel) == driver+"/dir"; inTree && !(lost && isRoot) {
			line += fmt.Sprint(" ", st.Mtim.Sec, ".", st.Mtim.Nsec, attributes(t, p))
			if st.Nlink > 1 && !d.IsDir() {
				groups[st.Ino] = cmp.Or(groups[st.Ino], rel)
				line += " like " + groups[st.Ino]
			}
		}
		out[rel] = line
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if lost {
		return withoutShortNames(t, root, driver, out)
	}
	return out
}

// withoutShortNames has the layers' in place of them.
func withoutShortNames(t *testing.T, root, driver string, all map[string]string) map[string]string {
	t.Helper()
	links, err := filepath.Glob(filepath.Join(root, driver, "l/*"))
	if err != nil {
		t.Fatal(err)
	}
	var pairs []string
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(link)
		pairs = append(pairs, name, target, fmt.Sprintf("%x", name), target)
	}
	names := strings.NewReplacer(pairs...)
	out := map[string]string{}
	for p, line := range all {
		out[names.Replace(p)] = names.Replace(line)
	}
	return out
}

func linkOfKept(target string, kept map[string]bool) bool {
	for id := range kept {
		if strings.Contains(target, id) {
			return true
		}
	}
	return false
}

// keptIDs are the trees that repairs keep.
func keptIDs(t *testing.T, root, driver string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	entries, err := os.ReadDir(filepath.Join(root, "bulkhead", driver, "undo"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		out[e.Name()] = true
	}
	return out
}

func attributes(t *testing.T, p string) string {
	t.Helper()
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(p, buf)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range strings.Split(strings.Trim(string(buf[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		v := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(p, name, v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s=%x", name, v[:n]))
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}

func differences(was, is map[string]string) (out []string) {
	for p, line := range was {
		if is[p] != line {
			out = append(out, fmt.Sprintf("%s: was %.300q, is %.300q", p, line, is[p]))
		}
	}
	for p, line := range is {
		if _, ok := was[p]; !ok {
			out = append(out, fmt.Sprintf("%s: new: %.300q", p, line))
		}
	}
	slices.Sort(out)
	return out
}

func TestRepairMendsEveryKindOfDamageFromAnArchiveAndNothingElseChanges(t *testing.T) {
	archive := richArchive(t)
	for _, driver := range []string{"vfs", "overlay2"} {
		t.Run(driver, func(t *testing.T) {
			whole := loadedWhole(t, driver, archive)
			mended := map[string]bool{}
			for _, d := range damages() {
				if d.only != "" && d.only != driver {
					continue
				}
				t.Run(d.name, func(t *testing.T) {
					d.isMended(t, whole, driver, archive)
					mended[d.name] = !t.Failed()
				})
			}
			maps.DeleteFunc(mended, func(_ string, ok bool) bool { return !ok })
			if len(mended) < 40 {
				t.Errorf("%d kinds were mended", len(mended))
			}
		})
	}
}

// loadedWhole is a root with the archive loaded.
func loadedWhole(t *testing.T, driver, archive string) *cli {
	t.Helper()
	if driver == "overlay2" && !graphdriver.Privileged() {
		t.Skip("overlay2 is root's")
	}
	whole := newCLI(t)
	if _, errs, code := whole.do("--driver", driver, "image", "load", "-q", "-i", archive); strings.Contains(errs, "overlay cannot be used here") {
		t.Skip(errs)
	} else if code != exitOK {
		t.Fatal(errs)
	}
	return whole
}

func copyOf(t *testing.T, whole *cli) *cli {
	t.Helper()
	c := newCLI(t)
	if out, err := exec.Command("cp", "-a", whole.root, c.root).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return c
}

func (d damage) isMended(t *testing.T, whole *cli, driver, from string) {
	c := copyOf(t, whole)
	before := inventory(t, c.root, driver, d.lost)
	d.do(findStored(t, c.root, driver))
	out, errs, code := c.do("--driver", driver, "check", "--repair", "--from", from, "--format", "json")
	var results []repair.Result
	if err := json.Unmarshal([]byte(out), &results); err != nil {
		t.Fatalf("exit %d, %s: %v in\n%s", code, errs, err, out)
	}
	if code != exitOK || errs != "" {
		t.Errorf("exit %d, %q\n%s", code, errs, out)
	}
	if !slices.ContainsFunc(results, func(r repair.Result) bool { return r.Kind == d.kind && len(r.Done) > 0 && r.Left == "" }) {
		t.Errorf("nothing was told to be done about %s:\n%s", d.kind, out)
	}
	if out, errs, code := c.do("--driver", driver, "check", "--full"); code != exitOK {
		t.Errorf("after it: %s%s", errs, out)
	}
	for _, diff := range differences(before, inventory(t, c.root, driver, d.lost)) {
		t.Error(diff)
	}
	if out := c.good("--driver", driver, "check", "--repair"); out != "nothing found\n" {
		t.Errorf("a second time: %s", out)
	}
}
