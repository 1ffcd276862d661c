package treecheck

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// node is what should be at a name. Several names of one file share a node.
type node struct {
	kind         layertar.Kind
	mode         uint32
	uid, gid     uint32
	size         int64
	sec          int64
	nsec         uint32
	link         string
	major, minor uint32
	xattrs       []layertar.Xattr
	kids         map[string]*node // of a directory

	// Of a directory in a delta: it may hide what lies beneath, and it must.
	mayCut, mustCut bool
	// implied: no entry says what it is like.
	implied bool
	// stirred: names came or went since its last entry, so its time is not
	// what that says.
	stirred bool
	// optional: a whiteout that has nothing to hide.
	optional bool
	// byRoot: it hides because the root is opaque, which moby marks at the root
	// itself, where the kernel does not look.
	byRoot bool
	listed int // the number of the archive whose entry said this last
}

func newDir() *node { return &node{kind: layertar.Dir, kids: map[string]*node{}, implied: true} }

// Model is the tree that archives make, one on top of the other.
type Model struct {
	root  *node
	below *Model // what a delta lies on; nil for a whole tree, or the lowest
	delta bool
	layer int
	// cuts are the paths beneath which nothing of the tree below is seen.
	cuts map[string]struct{}
}

// NewTree is the model of a tree that holds all of its archives.
func NewTree() *Model { return &Model{root: newDir()} }

// NewDelta is the model of what one archive adds to the tree below, nil for
// nothing.
func NewDelta(below *Model) *Model {
	return &Model{root: newDir(), below: below, delta: true, cuts: map[string]struct{}{}}
}

// ErrUnclear: the archive names what cannot be told from it.
var ErrUnclear = errors.New("the archive cannot be followed")

// Source yields entries, and io.EOF after the last.
type Source interface {
	Next() (*layertar.Entry, error)
}

// Add puts an archive on top of the tree.
func (m *Model) Add(src Source) error {
	m.layer++
	for {
		e, err := src.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = m.entry(e)
		}
		if err != nil {
			return err
		}
	}
}

func (m *Model) entry(e *layertar.Entry) error {
	switch e.Kind {
	case layertar.Ignored:
		return nil
	case layertar.Whiteout:
		return m.whiteout(e)
	case layertar.Opaque:
		return m.cut(e.Path)
	}
	if e.Path == "." {
		m.describe(m.root, e)
		return nil
	}
	dir, name, err := m.parent(e.Path)
	if err != nil {
		return err
	}
	old := dir.kids[name]
	m.stir(dir, old == nil || e.Kind != layertar.Dir || old.kind != layertar.Dir)
	switch e.Kind {
	case layertar.Hardlink:
		return m.hardlink(dir, name, e)
	case layertar.Dir:
		n := old
		if n == nil || n.kind != layertar.Dir {
			n = newDir()
			n.mayCut = old != nil && old.kind == layertar.Whiteout
			n.mustCut = n.mayCut && m.belowIsDir(e.Path)
			if n.mayCut && m.delta {
				m.cuts[e.Path] = struct{}{}
			}
			dir.kids[name] = n
		}
		m.describe(n, e)
	default:
		n := &node{kind: e.Kind, size: e.Size, major: e.Major, minor: e.Minor}
		if e.Kind == layertar.Symlink {
			n.link, n.size = e.Link, int64(len(e.Link))
		}
		dir.kids[name] = n
		m.describe(n, e)
	}
	return nil
}

// describe gives a node what an entry says of it.
func (m *Model) describe(n *node, e *layertar.Entry) {
	n.mode, n.uid, n.gid, n.xattrs = e.Mode, e.UID, e.GID, e.Xattrs
	n.sec, n.nsec = e.ModTime.Unix(), uint32(e.ModTime.Nanosecond())
	n.implied, n.stirred, n.listed = false, false, m.layer
}

// stir says that a name in the directory came or went.
func (m *Model) stir(dir *node, really bool) {
	if really && dir.listed != m.layer {
		dir.stirred = true
	}
}

func (m *Model) hardlink(dir *node, name string, e *layertar.Entry) error {
	target, err := m.find(e.Link)
	if err != nil {
		return err
	}
	if target == nil {
		if target, err = m.bringUp(e.Link); err != nil {
			return err
		}
	}
	if target == nil || target.kind == layertar.Dir || target.kind == layertar.Whiteout {
		return fmt.Errorf("hard link %q to %q: %w", e.Path, e.Link, ErrUnclear)
	}
	dir.kids[name] = target
	target.uid, target.gid = e.UID, e.GID
	for _, x := range e.Xattrs {
		target.xattrs = append(slices.DeleteFunc(slices.Clone(target.xattrs), func(o layertar.Xattr) bool { return o.Name == x.Name }), x)
	}
	if target.kind != layertar.Symlink {
		target.mode = e.Mode
		target.sec, target.nsec = e.ModTime.Unix(), uint32(e.ModTime.Nanosecond())
	}
	return nil
}

// bringUp copies a file from the tree below into a delta.
func (m *Model) bringUp(p string) (*node, error) {
	if m.below == nil {
		return nil, nil
	}
	real, err := m.below.resolve(p)
	if err != nil {
		return nil, err
	}
	n, err := m.below.find(real)
	if n == nil || err != nil || n.kind == layertar.Dir {
		return nil, err
	}
	dir, name, err := m.parent(real)
	if err != nil {
		return nil, err
	}
	m.stir(dir, true)
	copied := *n
	dir.kids[name] = &copied
	return &copied, nil
}

func (m *Model) whiteout(e *layertar.Entry) error {
	if !m.delta {
		dir, name, err := m.existing(e.Path)
		if dir == nil || err != nil {
			return err
		}
		m.stir(dir, dir.kids[name] != nil)
		delete(dir.kids, name)
		return nil
	}
	hides := !m.isCut(e.Path) && m.belowHas(e.Path)
	if !hides {
		// Whoever makes no mark makes no directory for it either.
		dir, err := m.dir(path.Dir(e.Path), true)
		if errors.Is(err, ErrUnclear) {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Base(e.Path)
		if there := dir.kids[name]; there != nil && there.kind == layertar.Whiteout && !there.optional {
			return nil // a mark that hides stays
		}
		m.stir(dir, true)
		dir.kids[name] = &node{kind: layertar.Whiteout, optional: true}
		return nil
	}
	dir, name, err := m.parent(e.Path)
	if err != nil {
		return err
	}
	m.stir(dir, true)
	dir.kids[name] = &node{kind: layertar.Whiteout}
	return nil
}

// cut is an opaque entry: of what was there only this archive's own stays.
func (m *Model) cut(p string) error {
	dir, err := m.dir(p, false)
	if err != nil {
		return err
	}
	if dir == m.root {
		p = "." // by a symlink, or as it is
	}
	if m.delta {
		m.cuts[p] = struct{}{}
	}
	switch {
	case !m.delta:
		m.keepOwn(dir)
	case dir == m.root:
		m.hideAll()
	default:
		dir.mayCut, dir.mustCut = true, m.below != nil
	}
	return nil
}

// hideAll is what an opaque root is in a delta: overlay knows no mark for it,
// so each name beneath has one.
func (m *Model) hideAll() {
	if m.below == nil {
		return
	}
	for name, under := range m.below.root.kids {
		own := m.root.kids[name]
		switch {
		case own == nil || own.optional:
			m.root.kids[name] = &node{kind: layertar.Whiteout, byRoot: true}
			m.stir(m.root, true)
		case own.kind == layertar.Dir && under.kind == layertar.Dir:
			own.byRoot = own.byRoot || !own.mustCut
			own.mayCut, own.mustCut = true, true
			m.cuts[name] = struct{}{}
		}
	}
}

// keepOwn removes what other archives brought.
func (m *Model) keepOwn(dir *node) (kept bool) {
	for name, n := range dir.kids {
		own := n.listed == m.layer
		if n.kind == layertar.Dir && m.keepOwn(n) {
			own = true
		}
		if !own {
			delete(dir.kids, name)
			m.stir(dir, true)
		}
		kept = kept || own
	}
	return kept
}

// isCut reports whether the tree below is hidden where p lies.
func (m *Model) isCut(p string) bool {
	for up := path.Dir(p); ; up = path.Dir(up) {
		if _, cut := m.cuts[up]; cut || up == "." {
			return cut
		}
	}
}

// belowHas reports whether the tree below has something at p.
func (m *Model) belowHas(p string) bool {
	n, err := m.belowAt(p)
	return n != nil && err == nil
}

func (m *Model) belowIsDir(p string) bool {
	n, err := m.belowAt(p)
	return err == nil && n != nil && n.kind == layertar.Dir
}

func (m *Model) belowAt(p string) (*node, error) {
	if m.below == nil {
		return nil, nil
	}
	n := m.below.root
	for name := range strings.SplitSeq(p, "/") {
		if n == nil || n.kind != layertar.Dir {
			return nil, nil
		}
		n = n.kids[name]
	}
	return n, nil
}

// parent finds the directory of a path, and makes what leads to it.
func (m *Model) parent(p string) (*node, string, error) {
	dir, err := m.dir(path.Dir(p), false)
	return dir, path.Base(p), err
}

// dir finds a directory and makes it if need be; optional ones need not be
// there unless something else is made in them.
func (m *Model) dir(p string, optional bool) (*node, error) {
	real, err := m.follow(p)
	if err != nil {
		return nil, err
	}
	at := m.root
	if real == "." {
		return at, nil
	}
	done := ""
	for name := range strings.SplitSeq(real, "/") {
		done = path.Join(done, name)
		next := at.kids[name]
		if next != nil && next.kind == layertar.Whiteout && optional {
			return nil, fmt.Errorf("%q lies beneath what is hidden: %w", p, ErrUnclear)
		}
		if next == nil || next.kind == layertar.Whiteout {
			hidden := next != nil
			next = newDir()
			next.mayCut, next.mustCut, next.optional = hidden, hidden && m.belowIsDir(done), optional
			if hidden && m.delta {
				m.cuts[done] = struct{}{}
			}
			at.kids[name] = next
			m.stir(at, true)
		}
		next.optional = next.optional && optional
		if next.kind != layertar.Dir {
			return nil, fmt.Errorf("%q leads through what is no directory: %w", p, ErrUnclear)
		}
		at = next
	}
	return at, nil
}

// existing is parent without making anything; nil if there is no directory.
func (m *Model) existing(p string) (*node, string, error) {
	real, err := m.follow(path.Dir(p))
	if err != nil {
		return nil, "", nil // it leads nowhere
	}
	at := m.root
	if real != "." {
		for name := range strings.SplitSeq(real, "/") {
			if at = at.kids[name]; at == nil || at.kind != layertar.Dir {
				return nil, "", nil
			}
		}
	}
	return at, path.Base(p), nil
}

// find looks for what is at p, whose parents may be symlinks.
func (m *Model) find(p string) (*node, error) {
	dir, name, err := m.existing(p)
	if dir == nil || err != nil {
		return nil, err
	}
	return dir.kids[name], nil
}

// resolve is p without symlinks among its parents.
func (m *Model) resolve(p string) (string, error) {
	dir, err := m.follow(path.Dir(p))
	return path.Join(dir, path.Base(p)), err
}

// maxLinks is how many symlinks are followed to one path, as in the kernel.
const maxLinks = 40

// follow resolves all symlinks of a path, as far as it exists, with the tree
// as the root.
func (m *Model) follow(p string) (string, error) {
	var done []string
	left, links := strings.Split(p, "/"), 0
	for len(left) > 0 {
		name := left[0]
		left = left[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			if len(done) > 0 {
				done = done[:len(done)-1]
			}
			continue
		}
		n := m.at(append(done, name))
		if n == nil || n.kind != layertar.Symlink {
			done = append(done, name)
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%q: too many symlinks: %w", p, ErrUnclear)
		}
		if strings.HasPrefix(n.link, "/") {
			done = done[:0]
		}
		left = append(strings.Split(n.link, "/"), left...)
	}
	if len(done) == 0 {
		return ".", nil
	}
	return strings.Join(done, "/"), nil
}

func (m *Model) at(names []string) *node {
	n := m.root
	for _, name := range names {
		if n == nil || n.kind != layertar.Dir {
			return nil
		}
		n = n.kids[name]
	}
	return n
}
