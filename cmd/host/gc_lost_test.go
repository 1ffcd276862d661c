package main

import (
	"os"
	"path/filepath"
	"testing"
)

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
