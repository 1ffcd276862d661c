package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/layer"
)

// A tree that nobody has may be that of a layer that names another.
func TestGCKeepsTreesWhileALayerHasLostItsOwn(t *testing.T) {
	archive := richArchive(t)
	for _, driver := range []string{"vfs", "overlay2"} {
		t.Run(driver, func(t *testing.T) {
			c := loadedWhole(t, driver, archive)
			before := inventory(t, c.root, driver, false)
			s := findStored(t, c.root, driver)
			s.write(filepath.Join(s.low, "cache-id"), strings.Repeat("7", 64))
			if r := freed(t, c, driver, "--dry-run"); len(r.Freed) > 0 || len(r.Kept) != 1 || !strings.Contains(r.Kept[0].Why, "check --repair") {
				t.Errorf("%+v", r)
			}
			c.do("--driver", driver, "gc")
			c.good("--driver", driver, "check", "--repair")
			freed(t, c, driver)
			c.good("--driver", driver, "check", "--full")
			for _, diff := range differences(before, inventory(t, c.root, driver, false)) {
				t.Error(diff)
			}
		})
	}
}

// What a container wrote is nowhere but in its tree, so that one that may be it
// is not put aside, nor freed.
func TestWhatAContainerWroteStaysWhenItsNoteNamesAnotherTree(t *testing.T) {
	archive := richArchive(t)
	for _, driver := range []string{"vfs", "overlay2"} {
		t.Run(driver, func(t *testing.T) {
			c := loadedWhole(t, driver, archive)
			c.good("--driver", driver, "layer", "create", "--parent", "app:1", "box")
			s := findStored(t, c.root, driver)
			note := filepath.Join(c.root, "image", driver, "layerdb/mounts/box/mount-id")
			id := s.read(note)
			before := inventory(t, c.root, driver, true)
			s.write(note, strings.Repeat("7", 64))
			c.bad(exitCorrupt, "", "--driver", driver, "check", "--repair")
			out, _, _ := c.do("--driver", driver, "check", "--repair")
			if !strings.Contains(out, "which tree is the container's is not known any more (one of "+id+")") {
				t.Errorf("got %s", out)
			}
			for _, w := range freed(t, c, driver, "--dry-run").Freed {
				t.Errorf("gc would free %+v", w)
			}
			c.do("--driver", driver, "gc")
			s.write(note, id)
			c.good("--driver", driver, "check", "--full")
			for _, diff := range differences(before, inventory(t, c.root, driver, true)) {
				t.Error(diff)
			}
		})
	}
}

// Docker's containers have a second tree, whose name tells that of the first.
func TestAContainersNotesAreMadeOfOneAnother(t *testing.T) {
	for _, name := range []string{"mount-id", "init-id"} {
		t.Run(name, func(t *testing.T) {
			c := loadedWhole(t, "vfs", richArchive(t))
			s := findStored(t, c.root, "vfs")
			at, id := filepath.Join(c.root, "image/vfs/layerdb/mounts", strings.Repeat("c", 64)), strings.Repeat("d", 64)
			s.write(filepath.Join(at, "parent"), "sha256:"+filepath.Base(s.top))
			s.write(filepath.Join(at, "mount-id"), id)
			s.write(filepath.Join(at, "init-id"), id+"-init")
			s.write(filepath.Join(c.root, "vfs/dir", id, "written"), "by the container")
			s.write(filepath.Join(c.root, "vfs/dir", id+"-init", "made"), "for it")
			c.good("--driver", "vfs", "check", "--full")
			was := s.read(filepath.Join(at, name))
			s.write(filepath.Join(at, name), strings.Repeat("7", 64))
			c.good("--driver", "vfs", "check", "--repair")
			if got := s.read(filepath.Join(at, name)); got != was {
				t.Errorf("it says %s", got)
			}
			for _, w := range freed(t, c, "vfs").Freed {
				if w.Kind != layer.WasteUndo {
					t.Errorf("gc freed %+v", w)
				}
			}
			if got := s.read(filepath.Join(c.root, "vfs/dir", id, "written")); got != "by the container" {
				t.Errorf("the container wrote %q", got)
			}
		})
	}
}

// A layer whose tree is lost, and cannot be made where it was, gets another ID.
func TestGCForgetsWhatWasNotedOfATreeThatWasLost(t *testing.T) {
	archive := richArchive(t)
	c := loadedWhole(t, "vfs", archive)
	s := findStored(t, c.root, "vfs")
	note := filepath.Join(c.root, "bulkhead/vfs/layer-"+s.topID+".json")
	if _, err := os.Stat(note); err != nil {
		t.Fatal(err)
	}
	s.must(os.RemoveAll(s.topDir))
	s.write(s.topDir, "no tree")
	c.good("--driver", "vfs", "check", "--repair", "--from", archive)
	if id := findStored(t, c.root, "vfs").topID; id == s.topID {
		t.Fatal("the layer has the ID that it had")
	}
	freed(t, c, "vfs")
	if _, err := os.Lstat(note); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", note, err)
	}
	c.good("--driver", "vfs", "check", "--full")
}
