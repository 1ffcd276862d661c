package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// some are damages that need a source, of every sort.
func some(t *testing.T) (out []damage) {
	t.Helper()
	names := []string{
		"diff is another's", "parent is not there", "the record is missing", "the record is a fifo", "the record is the other layer's", "the tree is missing",
		"the driver's directory is missing", "a file has other content", "a file is missing", "a hard link that is a copy", "a configuration is missing",
		"a configuration was edited", "a layer is missing", "an image is gone and its layers are not", "the file of names is cut",
	}
	for _, d := range damages() {
		if slices.Contains(names, d.name) {
			out = append(out, d)
		}
	}
	if len(out) != len(names) {
		t.Fatalf("%d of %d", len(out), len(names))
	}
	return out
}

func TestRepairTakesWhatIsLostFromAnotherRootOfAnotherDriver(t *testing.T) {
	if !graphdriver.Privileged() {
		t.Skip("overlay2 is root's")
	}
	archive := richArchive(t)
	for driver, other := range map[string]string{"vfs": "overlay2", "overlay2": "vfs"} {
		t.Run(driver, func(t *testing.T) {
			whole, from := loadedWhole(t, driver, archive), loadedWhole(t, other, archive)
			as := asItIs(t, from.root)
			for _, d := range some(t) {
				t.Run(d.name, func(t *testing.T) { d.isMended(t, whole, driver, from.root) })
			}
			if asItIs(t, from.root) != as {
				t.Error("the root that it was taken from was changed")
			}
			whole.bad(exitFailed, "is the root that is to be mended", "--driver", driver, "check", "--repair", "--from", whole.root)
		})
	}
}

// served is a registry with one image, and its name.
func served(t *testing.T, c *cli, driver string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "oci")
	c.good("--driver", driver, "image", "save", "--format", "oci-dir", "-o", dir, "app:1")
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var index ocispec.Index
	if err := json.Unmarshal(read("index.json"), &index); err != nil {
		t.Fatal(err)
	}
	manifest := read("blobs/sha256/" + index.Manifests[0].Digest.Encoded())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch name := filepath.Base(r.URL.Path); {
		case strings.Contains(r.URL.Path, "/manifests/"):
			w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
			_, _ = w.Write(manifest)
		case strings.Contains(r.URL.Path, "/blobs/"):
			http.ServeFile(w, r, filepath.Join(dir, "blobs/sha256", strings.TrimPrefix(name, "sha256:")))
		}
	}))
	t.Cleanup(s.Close)
	return "docker://" + strings.TrimPrefix(s.URL, "http://") + "/app:1"
}

func TestRepairTakesWhatIsLostFromARegistry(t *testing.T) {
	whole := loadedWhole(t, "vfs", richArchive(t))
	name := served(t, whole, "vfs")
	for _, d := range some(t) {
		if d.kind == "names-unreadable" || d.kind == "layer-unused" {
			continue // the image has another name there
		}
		t.Run(d.name, func(t *testing.T) { d.isMended(t, whole, "vfs", name) })
	}
}

func TestWithoutASourceWhatIsLostIsLeftAsItIs(t *testing.T) {
	whole := loadedWhole(t, "vfs", richArchive(t))
	for _, d := range damages() {
		if !slices.Contains([]string{"a file has other content", "the record is cut", "a configuration was edited", "the file of names is cut", "the tree is missing"}, d.name) {
			continue
		}
		c := copyOf(t, whole)
		d.do(findStored(t, c.root, "vfs"))
		before := inventory(t, c.root, "vfs", false)
		out, errs, code := c.do("--driver", "vfs", "check", "--repair")
		if code != exitCorrupt || !strings.Contains(errs, "finding") || !strings.Contains(out, "  left: ") || !strings.Contains(out, "--from") {
			t.Errorf("%s: exit %d, %s%s", d.name, code, errs, out)
		}
		for _, diff := range differences(before, inventory(t, c.root, "vfs", false)) {
			t.Errorf("%s: %s", d.name, diff)
		}
	}
	whole.bad(exitUsage, "--from is for --repair", "check", "--from", "x")
}

func TestWhatIsMountedIsNotRepairedUntilItIsNot(t *testing.T) {
	archive := richArchive(t)
	for _, driver := range []string{"vfs", "overlay2"} {
		t.Run(driver, func(t *testing.T) {
			c := loadedWhole(t, driver, archive)
			if !graphdriver.Privileged() {
				t.Skip("mounts are root's")
			}
			s := findStored(t, c.root, driver)
			at := strings.TrimSpace(c.good("--driver", driver, "mount", "app:1"))
			defer c.do("--driver", driver, "umount", "app:1")
			if err := os.Chmod(filepath.Join(s.topDir, "d/f"), 0o4777); err != nil {
				t.Fatal(err)
			}
			before := inventory(t, c.root, driver, false)
			out, errs, code := c.do("--driver", driver, "check", "--repair", "--from", archive)
			if code != exitCorrupt || !strings.Contains(out, "mounted") || !strings.Contains(out, at) {
				t.Errorf("exit %d, %s%s", code, errs, out)
			}
			for _, diff := range differences(before, inventory(t, c.root, driver, false)) {
				t.Error(diff)
			}
			c.good("--driver", driver, "umount", "app:1")
			c.good("--driver", driver, "check", "--repair")
			c.good("--driver", driver, "check", "--full")
		})
	}
}

func TestContainersGoOnWhenLayersBeneathThemAreRepaired(t *testing.T) {
	archive := richArchive(t)
	for _, driver := range []string{"vfs", "overlay2"} {
		t.Run(driver, func(t *testing.T) {
			whole := loadedWhole(t, driver, archive)
			if !graphdriver.Privileged() {
				t.Skip("mounts are root's")
			}
			s := findStored(t, whole.root, driver)
			whole.good("--driver", driver, "layer", "create", "--parent", "app:1", "box")
			at := strings.TrimSpace(whole.good("--driver", driver, "mount", "box"))
			s.write(filepath.Join(at, "written"), "by the container")
			whole.good("--driver", driver, "umount", "box")
			for _, d := range damages() {
				if !slices.Contains([]string{"the tree is missing", "a file has other content", "link is missing", "parent is not there", "a layer is missing"}, d.name) || d.only != "" && d.only != driver {
					continue
				}
				c := copyOf(t, whole)
				d.do(findStored(t, c.root, driver))
				if out, errs, code := c.do("--driver", driver, "check", "--repair", "--from", archive); code != exitOK {
					t.Fatalf("%s: exit %d, %s%s", d.name, code, errs, out)
				}
				c.good("--driver", driver, "check", "--full")
				at := strings.TrimSpace(c.good("--driver", driver, "mount", "box"))
				for name, want := range map[string]string{"written": "by the container", "d/f": "another content", "d/g": "content of g"} {
					if got, err := os.ReadFile(filepath.Join(at, name)); err != nil || string(got) != want {
						t.Errorf("%s: %s: %q, %v", d.name, name, got, err)
					}
				}
				c.good("--driver", driver, "umount", "box")
			}
		})
	}
}

func TestDamageBehindDamageIsMendedToo(t *testing.T) {
	archive := richArchive(t)
	c := loadedWhole(t, "vfs", archive)
	before := inventory(t, c.root, "vfs", false)
	s := findStored(t, c.root, "vfs")
	s.must(os.Remove(filepath.Join(s.low, "diff")))
	s.must(os.Chmod(filepath.Join(s.topDir, "d/f"), 0o4777)) // cannot be seen while what is beneath is none
	c.good("--driver", "vfs", "check", "--repair", "--from", archive)
	c.good("--driver", "vfs", "check", "--full")
	for _, diff := range differences(before, inventory(t, c.root, "vfs", false)) {
		t.Error(diff)
	}
}
