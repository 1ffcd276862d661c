package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/image/gc"
	"github.com/bulkhead/bulkhead/layer"
)

// freed runs gc and reads what it says.
func freed(t *testing.T, c *cli, driver string, flags ...string) gc.Result {
	t.Helper()
	out := c.good(append([]string{"--driver", driver, "gc", "--format", "json"}, flags...)...)
	var r gc.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return r
}

func kinds(r gc.Result) (out []layer.WasteKind) {
	for _, w := range r.Freed {
		out = append(out, w.Kind)
	}
	return out
}

func TestGCFreesWhatRepairsKeptAndNothingElse(t *testing.T) {
	archive := richArchive(t)
	for _, driver := range []string{"vfs", "overlay2"} {
		t.Run(driver, func(t *testing.T) {
			whole := loadedWhole(t, driver, archive)
			before := inventory(t, whole.root, driver, false)
			for _, name := range []string{"a file has other content", "the record is cut", "a tree that nobody has", "a file among the layers", "size is wrong"} {
				c := copyOf(t, whole)
				for _, d := range damages() {
					if d.name == name {
						d.do(findStored(t, c.root, driver))
					}
				}
				c.good("--driver", driver, "check", "--repair", "--from", archive)
				if len(keptIDs(t, c.root, driver)) == 0 {
					t.Errorf("%s: nothing was kept", name)
				}
				as := asItIs(t, c.root)
				listed := freed(t, c, driver, "--dry-run")
				if asItIs(t, c.root) != as {
					t.Errorf("%s: --dry-run changed something", name)
				}
				done := freed(t, c, driver)
				if !slices.Equal(listed.Freed, done.Freed) || len(done.Freed) == 0 || done.Size != listed.Size {
					t.Errorf("%s: listed %+v, freed %+v", name, listed, done)
				}
				for _, w := range done.Freed {
					if w.Kind != layer.WasteUndo {
						t.Errorf("%s: %+v", name, w)
					}
				}
				if n := len(keptIDs(t, c.root, driver)); n > 0 {
					t.Errorf("%s: %d things stay", name, n)
				}
				for _, diff := range differences(before, inventory(t, c.root, driver, false)) {
					t.Errorf("%s: %s", name, diff)
				}
				if again := freed(t, c, driver); len(again.Freed) > 0 {
					t.Errorf("%s: a second time %+v", name, again)
				}
			}
		})
	}
}

func TestGCFreesLayersThatNobodyHasAndKeepsThoseThatDamageMayHide(t *testing.T) {
	c := newCLI(t)
	one, _ := c.archive("one:1", "one")
	two, _ := c.archive("two:1", "two")
	c.good("--driver", "vfs", "image", "load", "-q", "-i", one)
	c.good("image", "load", "-q", "-i", two)
	configs, err := filepath.Glob(filepath.Join(c.root, "image/vfs/imagedb/content/sha256/*"))
	if err != nil || len(configs) != 2 {
		t.Fatal(configs, err)
	}
	if r := freed(t, c, "vfs"); len(r.Freed) > 0 || len(r.Kept) > 0 {
		t.Errorf("nothing is waste, and there went %+v", r)
	}
	raw, err := os.ReadFile(configs[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(configs[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := freed(t, c, "vfs"); len(r.Freed) > 0 || len(r.Kept) != 1 || !strings.Contains(r.Kept[0].Why, "check --repair") {
		t.Errorf("%+v", r)
	}
	if err := os.WriteFile(configs[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	// The image is forgotten, by somebody who leaves its layers.
	if err := os.Remove(configs[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.root, "image/vfs/repositories.json"), []byte(`{"Repositories":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r := freed(t, c, "vfs")
	if !slices.Contains(kinds(r), layer.WasteLayer) || r.Size == 0 {
		t.Errorf("%+v", r)
	}
	if out := c.good("check", "--full"); out != "nothing found\n" {
		t.Error(out)
	}
	if out := c.good("gc"); out != "Total reclaimed space: 0B\n" {
		t.Errorf("%q", out)
	}
	if out := c.good("gc", "--dry-run"); out != "Would be reclaimed: 0B\n" {
		t.Errorf("%q", out)
	}
	c.bad(exitUsage, "there is json", "gc", "--format", "yaml")
}

func TestGCFreesWhatUnfinishedWorkLeft(t *testing.T) {
	whole := loadedWhole(t, "vfs", richArchive(t))
	s := findStored(t, whole.root, "vfs")
	before := inventory(t, whole.root, "vfs", false)
	id := strings.Repeat("1", 64)
	s.write(filepath.Join(s.root, "bulkhead/vfs/journal", id), "")
	s.write(filepath.Join(s.root, "vfs/dir", id, "file"), "abc")
	s.write(filepath.Join(s.root, "image/vfs/layerdb/tmp/write-set-1/size"), "12")
	gone := s.top + "-abc-removing"
	s.write(filepath.Join(gone, "cache-id"), strings.Repeat("2", 64))
	s.write(filepath.Join(s.root, "bulkhead/vfs/set-aside/x/cache-id"), strings.Repeat("3", 64))
	s.write(filepath.Join(s.root, "vfs/dir", strings.Repeat("3", 64), "file"), "abcd")
	r := freed(t, whole, "vfs")
	want := []layer.WasteKind{layer.WasteUnfinished, layer.WasteUnfinished, layer.WasteTransaction, layer.WasteTree, layer.WasteAside}
	if got := kinds(r); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	for _, diff := range differences(before, inventory(t, whole.root, "vfs", false)) {
		t.Error(diff)
	}
}

func TestGCIsNotLedOutOfTheRootNorToWhatIsUsed(t *testing.T) {
	whole := loadedWhole(t, "vfs", richArchive(t))
	s := findStored(t, whole.root, "vfs")
	before := inventory(t, whole.root, "vfs", false)
	// Somebody names a layer that is used as what a repair kept.
	s.write(filepath.Join(s.root, "bulkhead/vfs/undo", s.lowID, "what"), "x")
	s.write(filepath.Join(s.root, "bulkhead/vfs/journal", s.topID), "")
	freed(t, whole, "vfs")
	for _, diff := range differences(before, inventory(t, whole.root, "vfs", false)) {
		t.Error(diff)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	s.write(filepath.Join(outside, "file"), "mine")
	s.must(os.RemoveAll(filepath.Join(s.root, "bulkhead/vfs/undo")))
	s.must(os.Symlink(outside, filepath.Join(s.root, "bulkhead/vfs/undo")))
	r := freed(t, whole, "vfs")
	if s.read(filepath.Join(outside, "file")) != "mine" || len(r.Freed) > 0 || len(r.Kept) != 1 {
		t.Errorf("%+v", r)
	}
}
