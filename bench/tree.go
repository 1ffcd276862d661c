package main

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// tree is what layers come to, by the names in them: enough to tell whether
// the work that is measured was done.
type tree struct{ nodes map[string]*node }

// node is a file; names that are hard links share one.
type node struct {
	dir    bool
	size   int64 // of a regular file
	target int64 // of a symbolic link, its length
}

// treeFacts are what two ways to make the same tree have to agree on.
type treeFacts struct {
	Names int
	Bytes int64 // in regular files, each counted once
	// Targets is the length of all symbolic links. On overlay2 it is part of a
	// layer's size, which is that of a directory; on vfs it is not, where the
	// size is an archive's.
	Targets int64
}

func newTree() *tree { return &tree{nodes: map[string]*node{}} }

func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// opaqueDir is the directory whose lower content a marker hides.
func opaqueDir(name string) (string, bool) {
	dir, base := path.Split(clean(name))
	return strings.TrimSuffix(dir, "/"), base == ".wh..wh..opq"
}

// empty takes away what opaque directories hide, before their layer.
func (t *tree) empty(dirs map[string]bool) {
	for dir := range dirs {
		t.removeBeneath(dir)
	}
}

// apply is an entry of a layer.
func (t *tree) apply(h *tar.Header) {
	dir, base := path.Split(clean(h.Name))
	if gone, ok := strings.CutPrefix(base, ".wh."); ok {
		if !strings.HasPrefix(gone, ".wh.") {
			delete(t.nodes, dir+gone)
			t.removeBeneath(dir + gone)
		}
		return
	}
	t.put(h)
}

// put is an entry without regard to whiteouts.
func (t *tree) put(h *tar.Header) {
	name := clean(h.Name)
	if name == "" {
		return
	}
	for dir := path.Dir(name); dir != "." && t.nodes[dir] == nil; dir = path.Dir(dir) {
		t.nodes[dir] = &node{dir: true}
	}
	if old := t.nodes[name]; h.Typeflag != tar.TypeDir && old != nil && old.dir {
		t.removeBeneath(name)
	}
	switch h.Typeflag {
	case tar.TypeLink:
		if to := t.nodes[clean(h.Linkname)]; to != nil {
			t.nodes[name] = to
			return
		}
		t.nodes[name] = &node{}
	case tar.TypeReg:
		t.nodes[name] = &node{size: h.Size}
	case tar.TypeSymlink:
		t.nodes[name] = &node{target: int64(len(h.Linkname))}
	default:
		t.nodes[name] = &node{dir: h.Typeflag == tar.TypeDir}
	}
}

func (t *tree) removeBeneath(dir string) {
	for name := range t.nodes {
		if strings.HasPrefix(name, dir+"/") {
			delete(t.nodes, name)
		}
	}
}

func (t *tree) facts() treeFacts {
	f := treeFacts{Names: len(t.nodes)}
	counted := map[*node]bool{}
	for _, n := range t.nodes {
		if !counted[n] {
			counted[n] = true
			f.Bytes += n.size
			f.Targets += n.target
		}
	}
	return f
}

// treeAt reads a directory.
func treeAt(dir string) (treeFacts, error) {
	var f treeFacts
	counted := map[uint64]bool{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		f.Names++
		if d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			if counted[st.Ino] {
				return nil
			}
			counted[st.Ino] = true
		}
		switch d.Type() {
		case 0:
			f.Bytes += info.Size()
		case fs.ModeSymlink:
			f.Targets += info.Size()
		}
		return nil
	})
	return f, err
}

// expect is an error unless got is as it should be.
func expect[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s: %v, not %v: the work was not done", what, got, want)
	}
	return nil
}
