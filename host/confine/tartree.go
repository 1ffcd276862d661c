package confine

import (
	"archive/tar"
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Tree emits all that lies beneath the directory p, at any depth and sorted by
// name, with name in place of p. told is asked before each entry. What is
// removed while it runs is left out.
func (t *TarWriter) Tree(tree Tree, p, name string, told func(name string) error) error {
	w := &treeWalk{t: t, tree: tree, told: told}
	if s, ok := tree.(*Stack); ok && len(s.dirs) == 1 {
		w.tree, w.marks = s.dirs[0], true
	}
	return w.walk(p, name)
}

// Layer is Tree of what the top of a stack holds, as an archive that is laid
// over the rest of it: whiteouts and opaque directories become entries. What
// an opaque directory has nothing to hide for, such as one that was made new,
// it does not say.
func (t *TarWriter) Layer(s *Stack, p, name string, told func(name string) error) error {
	w := &treeWalk{t: t, tree: s.dirs[0], told: told, marks: true, opaque: s.opaque}
	if len(s.dirs) > 1 {
		w.below = NewStack(s.dirs[1:], s.UserAttrs())
	}
	return w.walk(p, name)
}

// treeWalk is a directory on its way into an archive.
type treeWalk struct {
	t    *TarWriter
	tree Tree
	told func(name string) error
	// marks: character devices 0:0 hide names.
	marks bool
	// opaque, if not "", is the attribute by which directories hide what lies
	// beneath, and an archive is to say so, and what is hidden.
	opaque string
	below  *Stack // what lies beneath, or nil

	lister *Lister
	buf    []byte // of names
}

// maxHeld is how deep directories are found from the one above; each stays
// open until the walk has left it.
const maxHeld = 64

func (w *treeWalk) walk(p, name string) error {
	if name != "." {
		if err := w.t.lead(w.tree, p, name); err != nil {
			return err
		}
	}
	if d, ok := w.tree.(*Dir); !ok || d.rec != nil {
		w.lister = NewLister()
	} else {
		w.buf = make([]byte, 32<<10)
	}
	dir, err := w.open(nil, p)
	if err != nil {
		return err
	}
	return w.beneath(dir, p, name, 0)
}

// beneath emits what lies in a directory, and releases it. dir is nil where
// not just what lies on the disk is shown.
func (w *treeWalk) beneath(dir *openDir, p, name string, depth int) error {
	kinds, err := w.kinds(dir, p)
	if depth < maxHeld {
		defer dir.release()
	} else { // what lies in it is found by path
		dir.release()
		dir = nil
	}
	if errors.Is(err, unix.ENOENT) && depth > 0 {
		return nil // gone meanwhile
	}
	if err != nil {
		return err
	}
	for _, k := range kinds {
		if err := w.one(dir, k, join(clean(p), k.name), join(name, k.name), depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *treeWalk) one(above *openDir, k kind, p, name string, depth int) error {
	if w.t.ctx.Err() != nil {
		return context.Cause(w.t.ctx)
	}
	if k.whiteout && w.opaque == "" {
		return nil
	}
	if err := w.told(name); err != nil {
		return err
	}
	if k.whiteout {
		return w.t.Whiteout(nil, name)
	}
	if !k.dir {
		return w.t.putIfThere(&tarItem{base: w.tree, dir: above.hold(), path: p, hdr: &tar.Header{Name: name}})
	}
	dir, err := w.open(above, p)
	if isErrno(err, unix.ENOENT) {
		return nil // gone meanwhile
	}
	if err != nil {
		return err
	}
	if err = w.directory(dir, k, p, name); err != nil {
		dir.release()
		return err
	}
	return w.beneath(dir, p, name, depth+1)
}

// directory emits a directory itself.
func (w *treeWalk) directory(dir *openDir, k kind, p, name string) error {
	it := &tarItem{base: w.tree, self: dir.hold(), path: p, hdr: &tar.Header{Name: name}}
	if dir != nil {
		var err error
		if it.selfAttrs, err = dir.hasAttrs(); err == nil && it.selfAttrs && w.opaque != "" {
			k.opaque, err = dir.is(w.opaque)
		}
		if err != nil {
			it.leave()
			return &PathError{Op: "read extended attributes of", Path: p, Err: err}
		}
	}
	if err := w.t.putIfThere(it); err != nil || !k.opaque || w.opaque == "" {
		return err
	}
	return w.cut(p, name)
}

// cut says that nothing of what lies beneath a directory shows.
func (w *treeWalk) cut(p, name string) error {
	if w.below == nil {
		return nil
	}
	if _, err := w.below.layersOf(p); nowhere(err) {
		return nil
	} else if err != nil {
		return err
	}
	return w.t.Entry(&tar.Header{Typeflag: tar.TypeReg, Name: name + "/" + opaqueMarker, ModTime: time.Unix(0, 0)}, nil)
}

const opaqueMarker = whPrefix + whPrefix + ".opq"

// kind is as much of a name as the walk has to know.
type kind struct {
	name                  string
	dir, whiteout, opaque bool
}

// kinds lists a directory. Of files nothing is looked at: that is done once,
// when they are read.
func (w *treeWalk) kinds(dir *openDir, p string) ([]kind, error) {
	if w.lister != nil {
		return w.shown(p)
	}
	names, err := readNamesBy(dir.fd, w.buf)
	if err != nil {
		return nil, &PathError{Op: "read directory", Path: p, Err: err}
	}
	out := make([]kind, 0, len(names))
	for _, n := range names {
		k := kind{name: n.name, dir: n.typ == unix.DT_DIR}
		if n.typ == unix.DT_UNKNOWN || n.typ == unix.DT_CHR && w.marks {
			st, err := statAt(dir.fd, n.name)
			if err == unix.ENOENT {
				continue // gone meanwhile
			}
			if err != nil {
				return nil, &PathError{Op: "stat", Path: join(clean(p), n.name), Err: err}
			}
			k.dir, k.whiteout = st.Type() == unix.S_IFDIR, w.marks && isWhiteout(&st)
		}
		out = append(out, k)
	}
	return out, nil
}

// open opens a directory by its name in another, or by path. Where not just
// what lies on the disk is shown there is none.
func (w *treeWalk) open(above *openDir, p string) (*openDir, error) {
	if w.lister != nil {
		return nil, nil
	}
	var fd int
	var err error
	if above == nil {
		fd, err = w.tree.(*Dir).open(p, unix.O_RDONLY|unix.O_DIRECTORY, 0, NoLinks)
	} else if fd, err = openDirAt(above.fd, lastName(p)); err != nil {
		err = &PathError{Op: "open", Path: p, Err: err}
	}
	if err != nil {
		return nil, err
	}
	return newOpenDir(fd), nil
}

// shown is kinds of a tree that is not just what lies on the disk.
func (w *treeWalk) shown(p string) ([]kind, error) {
	var names []Name
	var err error
	if d, ok := w.tree.(*Dir); ok {
		names, err = w.lister.read(d, p, false, w.opaque)
	} else {
		names, err = w.lister.List(w.tree, p, false)
	}
	if err != nil {
		return nil, err
	}
	out := make([]kind, 0, len(names))
	for i := range names {
		n := &names[i]
		out = append(out, kind{
			name: n.Name, dir: n.Stat.Type() == unix.S_IFDIR, opaque: n.opaque,
			whiteout: w.marks && isWhiteout(&n.Stat),
		})
	}
	return out, nil
}
