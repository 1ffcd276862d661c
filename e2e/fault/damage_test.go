//go:build fault

package fault

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// write changes files in a container's layer.
func (p *program) write(box string) {
	p.t.Helper()
	target := p.t.TempDir()
	p.ok("mount", box, target)
	err := errors.Join(
		os.WriteFile(filepath.Join(target, "written"), []byte("written"), 0o600),
		os.WriteFile(filepath.Join(target, "etc/passwd"), []byte("other"), 0o600),
		os.RemoveAll(filepath.Join(target, "dir")),
		os.Mkdir(filepath.Join(target, "new"), 0o711),
	)
	p.ok("umount", target)
	if err != nil {
		p.t.Fatal(err)
	}
}

// damage cuts a file of layers.
func (p *program) damage(name string) {
	p.t.Helper()
	found := 0
	err := filepath.WalkDir(filepath.Join(p.root(), p.driver), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || !strings.HasSuffix(path, "/"+name) {
			return err
		}
		found++
		return os.Truncate(path, 10)
	})
	if err != nil || found == 0 {
		p.t.Fatalf("%d files %s: %v", found, name, err)
	}
}

// spoil takes from what is stored of the image of three layers, or adds to it.
func (p *program) spoil(what string) {
	p.t.Helper()
	store := filepath.Join(p.root(), "image", p.driver)
	// Two of its layers have a parent, and nothing else has.
	parents, err := filepath.Glob(filepath.Join(store, "layerdb/sha256/*/parent"))
	if err != nil || len(parents) != 2 {
		p.t.Fatalf("layers with a parent: %v %v", parents, err)
	}
	first, second := filepath.Dir(parents[0]), filepath.Dir(parents[1])
	tree := func(chain string) string {
		id, err := os.ReadFile(filepath.Join(chain, "cache-id"))
		if err != nil {
			p.t.Fatal(err)
		}
		if p.driver == "vfs" {
			return filepath.Join(p.root(), "vfs/dir", string(id))
		}
		return filepath.Join(p.root(), p.driver, string(id), "diff")
	}
	switch what {
	case "config":
		var configs []string
		configs, err = filepath.Glob(filepath.Join(store, "imagedb/content/sha256/*"))
		for _, c := range configs {
			if b, e := os.ReadFile(c); e == nil && strings.Contains(string(b), `"small:1"`) {
				err = errors.Join(err, os.Remove(c))
			}
		}
	case "record":
		err = os.Remove(filepath.Join(first, "tar-split.json.gz"))
	case "size":
		err = os.WriteFile(filepath.Join(second, "size"), []byte("none"), 0o644)
	case "tree":
		err = os.RemoveAll(tree(first))
	case "file": // in the place of a tree
		err = errors.Join(os.RemoveAll(tree(first)), os.WriteFile(tree(first), []byte("no tree"), 0o600))
	case "extra":
		err = os.WriteFile(filepath.Join(tree(second), "extra"), []byte("extra"), 0o600)
	default:
		err = errors.New("nobody knows how")
	}
	if err != nil {
		p.t.Fatalf("spoil %s: %v", what, err)
	}
}
