package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/image/check"
)

// What a process leaves that is killed is named as what it is, and the next
// load removes all of it.
func TestWhatACrashLeftIsNoDamageAndGoesWithTheNextLoad(t *testing.T) {
	c := newCLI(t)
	archive := richArchive(t)
	c.good("--driver", "vfs", "image", "load", "-q", "-i", archive)
	begun, lone := strings.Repeat("1", 64), strings.Repeat("2", 64)
	left := map[string]string{ // and what check calls it
		"bulkhead/vfs/journal/" + begun:                     "layer-unfinished",
		"image/vfs/layerdb/tmp/bulkhead-" + begun + "/size": "",
		"image/vfs/layerdb/tmp/bulkhead-" + lone + "/size":  "layer-unfinished",
		"image/vfs/imagedb/content/sha256/.bulkhead-tmp-1":  "write-unfinished",
		"image/vfs/.bulkhead-tmp-1":                         "",
		"bulkhead/vfs/.note-1":                              "",
		"bulkhead/vfs/stamp-" + lone + ".json.0123456789ab": "",
		"bulkhead/vfs/containers/gone.json":                 "",
		"bulkhead/vfs/containers/.bulkhead-tmp-1":           "",
	}
	// One half of a stamp of a layer that there is.
	stamps, err := filepath.Glob(filepath.Join(c.root, "bulkhead/vfs/stamp-*.json"))
	if err != nil || len(stamps) == 0 {
		t.Fatal(stamps, err)
	}
	left[filepath.Join("bulkhead/vfs", filepath.Base(stamps[0])+".0123456789ab")] = ""
	want := 0
	for name, kind := range left {
		path := filepath.Join(c.root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if kind != "" {
			want++
		}
	}
	out, _, code := c.do("--driver", "vfs", "check", "--format", "json")
	var found []check.Finding
	if err := json.Unmarshal([]byte(out), &found); err != nil || code != exitCorrupt {
		t.Fatalf("exit %d: %v: %s", code, err, out)
	}
	if len(found) != want {
		t.Errorf("%d findings: %s", len(found), out)
	}
	for _, f := range found {
		for name, kind := range left {
			if (f.Path == name || f.Path == filepath.Dir(name)) && f.Kind != kind {
				t.Errorf("%s is called %s", f.Path, f.Kind)
			}
		}
	}
	c.good("--driver", "vfs", "image", "load", "-q", "-i", archive)
	for name := range left {
		if _, err := os.Lstat(filepath.Join(c.root, name)); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	if out := c.good("--driver", "vfs", "check", "--full"); out != "nothing found\n" {
		t.Error(out)
	}
}

// A driver's home is tried out before it is used; what is left of that goes
// before it is tried again.
func TestWhatACrashLeftOfTryingADriversHomeIsRemoved(t *testing.T) {
	c := newCLI(t)
	tried := filepath.Join(c.root, "vfs/.probe-1/lower/hidden")
	if err := os.MkdirAll(tried, 0o700); err != nil {
		t.Fatal(err)
	}
	c.good("--driver", "vfs", "image", "load", "-q", "-i", richArchive(t))
	if _, err := os.Lstat(filepath.Join(c.root, "vfs/.probe-1")); !os.IsNotExist(err) {
		t.Error(err)
	}
}
