package confine

import (
	"errors"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// MaxStack is how many directories overlay file systems take.
const MaxStack = 500

// Stack is the tree that an overlay mount of its directories would show:
// character devices 0:0 hide names of the directories beneath, a directory
// with the attribute overlay.opaque hides what lies beneath it. Nothing is
// mounted. It may be used concurrently, and does not see what changes after
// it first looked.
//
// (Linux, Documentation/filesystems/overlayfs.rst. Redirected directories and
// metacopy files are not resolved: those features are switched off in all
// mounts of this host.)
type Stack struct {
	dirs   []*Dir // top first
	opaque string // the attribute

	mu sync.Mutex
	// layers says which of dirs make up a directory, top first; files where a
	// file lies that is not in the first of its directory's.
	layers map[string][]int
	files  map[string]int
	// listed are directories of which all files are known: those not in files
	// lie in the first directory.
	listed map[string]struct{}
}

// hidden stands in Stack.files for a name that a whiteout hides.
const hidden = -1

// NewStack puts directories over each other, the top first. They stay the
// caller's. userAttrs reads user.overlay.* in place of trusted.overlay.*, as
// mounts within a user namespace do.
func NewStack(dirs []*Dir, userAttrs bool) *Stack {
	all := make([]int, len(dirs))
	for i := range all {
		all[i] = i
	}
	return &Stack{
		dirs: slices.Clone(dirs), opaque: opaqueAttr(userAttrs),
		layers: map[string][]int{".": all}, files: map[string]int{}, listed: map[string]struct{}{},
	}
}

func opaqueAttr(user bool) string {
	if user {
		return "user.overlay.opaque"
	}
	return "trusted.overlay.opaque"
}

// UserAttrs reports whether the marks lie in user.overlay.*.
func (s *Stack) UserAttrs() bool { return s.opaque == opaqueAttr(true) }

// above reports whether s is old with more directories on top, and how many.
func (s *Stack) above(old *Stack) (added int, ok bool) {
	added = len(s.dirs) - len(old.dirs)
	return added, added >= 0 && s.opaque == old.opaque && slices.Equal(s.dirs[added:], old.dirs)
}

func clean(p string) string {
	if p == "" {
		return "."
	}
	return p
}

// layersOf finds what makes up the directory p.
func (s *Stack) layersOf(p string) ([]int, error) {
	p = clean(p)
	s.mu.Lock()
	known := s.layers[p]
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	above, err := s.layersOf(path.Dir(p))
	if err != nil {
		return nil, err
	}
	for _, i := range above {
		st, err := s.dirs[i].Lstat(p, NoLinks)
		if isErrno(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if st.Type() != unix.S_IFDIR {
			if len(known) == 0 && !isWhiteout(&st) {
				return nil, &PathError{Op: "open", Path: p, Err: unix.ENOTDIR}
			}
			break
		}
		known = append(known, i)
		hides, err := s.hides(s.dirs[i], p)
		if err != nil {
			return nil, err
		}
		if hides {
			break
		}
	}
	if len(known) == 0 {
		return nil, &PathError{Op: "open", Path: p, Err: unix.ENOENT}
	}
	s.mu.Lock()
	s.layers[p] = known
	s.mu.Unlock()
	return known, nil
}

func (s *Stack) hides(d *Dir, p string) (bool, error) {
	v, err := d.Getxattr(p, s.opaque, NoLinks)
	if isErrno(err, unix.ENODATA) || isErrno(err, unix.ENOTSUP) {
		return false, nil
	}
	return string(v) == "y", err
}

func isWhiteout(st *Stat) bool { return st.Type() == unix.S_IFCHR && st.Rdev == 0 }

// at implements Tree.
func (s *Stack) at(p string) (*Dir, error) {
	p = clean(p)
	s.mu.Lock()
	i, isFile := s.files[p]
	dir := s.layers[p]
	up := path.Dir(p)
	_, listed := s.listed[up]
	above := s.layers[up]
	s.mu.Unlock()
	switch {
	case isFile && i == hidden:
		return nil, &PathError{Op: "open", Path: p, Err: unix.ENOENT}
	case isFile:
		return s.dirs[i], nil
	case dir != nil:
		return s.dirs[dir[0]], nil
	case listed && above != nil:
		return s.dirs[above[0]], nil
	}
	above, err := s.layersOf(up)
	if err != nil {
		return nil, err
	}
	for _, i := range above {
		st, err := s.dirs[i].Lstat(p, NoLinks)
		if isErrno(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if isWhiteout(&st) {
			break
		}
		return s.dirs[i], nil
	}
	return nil, &PathError{Op: "open", Path: p, Err: unix.ENOENT}
}

// maxLinks is how many symlinks are followed to one file, as in the kernel.
const maxLinks = 40

// Resolve follows the symlinks on the way to p, but not p itself, as if the
// tree were the machine's root, and returns the path without them.
func (s *Stack) Resolve(p string) (string, error) {
	done, left, links := ".", strings.Split(clean(p), "/"), 0
	for len(left) > 0 {
		name := left[0]
		left = left[1:]
		if name == "" || name == "." {
			continue
		}
		if name == ".." {
			done = path.Dir(done)
			continue
		}
		next := join(done, name)
		if len(left) == 0 {
			return next, nil
		}
		d, err := s.at(next)
		if err != nil {
			return "", err
		}
		target, err := d.Readlink(next, NoLinks)
		switch {
		case isErrno(err, unix.EINVAL): // no symlink
			done = next
			continue
		case err != nil:
			return "", err
		}
		if links++; links > maxLinks {
			return "", &PathError{Op: "resolve", Path: p, Err: unix.ELOOP}
		}
		if strings.HasPrefix(target, "/") {
			done = "."
		}
		left = append(strings.Split(target, "/"), left...)
	}
	return done, nil
}

// list implements Tree.
func (s *Stack) list(l *Lister, p string, attrs bool) ([]Name, error) {
	layers, err := s.layersOf(p)
	if err != nil {
		return nil, err
	}
	return s.merge(clean(p), layers, func(i int) ([]Name, error) {
		return l.read(s.dirs[i], p, attrs, s.opaque)
	})
}

// pair is Lister.Pair of a stack and of one with added directories more.
func (s *Stack) pair(l *Lister, old *Stack, added int, p string, attrs bool) (olds, news []Name, oldErr, newErr error) {
	under, oldErr := old.layersOf(p)
	layers, newErr := s.layersOf(p)
	if oldErr == nil && newErr == nil {
		if tops, ok := onTop(layers, under, added); ok {
			olds, news, err := s.pairOnTop(l, old, tops, under, p, attrs)
			return olds, news, err, err
		}
	}
	if oldErr == nil {
		olds, oldErr = old.merge(clean(p), under, func(i int) ([]Name, error) { return l.read(old.dirs[i], p, attrs, s.opaque) })
	}
	if newErr == nil {
		news, newErr = s.merge(clean(p), layers, func(i int) ([]Name, error) { return l.read(s.dirs[i], p, attrs, s.opaque) })
	}
	if oldErr == nil && newErr == nil {
		olds, news = withoutShared(olds, news, added)
	}
	return olds, news, oldErr, newErr
}

// onTop returns what of a directory was added, if all of the old one shows
// through.
func onTop(layers, under []int, added int) (tops []int, ok bool) {
	n := len(layers) - len(under)
	if n < 0 || n > 0 && layers[n-1] >= added {
		return nil, false
	}
	for i, layer := range under {
		if layers[n+i] != layer+added {
			return nil, false
		}
	}
	return layers[:n], true
}

// pairOnTop lists what was added, and of what lies beneath only those names:
// no others can differ, and a directory may have many.
func (s *Stack) pairOnTop(l *Lister, old *Stack, tops, under []int, p string, attrs bool) (olds, news []Name, err error) {
	var added []merged
	for _, i := range tops {
		names, err := l.read(s.dirs[i], p, attrs, s.opaque)
		if err != nil {
			return nil, nil, err
		}
		added = lay(added, names, i)
	}
	beneath, err := old.find(l, under, p, added, attrs)
	if err != nil {
		return nil, nil, err
	}
	shift := len(s.dirs) - len(old.dirs)
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range added {
		m := &added[k]
		was := beneath[m.Name.Name]
		if was != nil && !isWhiteout(&was.Stat) {
			olds = append(olds, was.Name)
		}
		if isWhiteout(&m.Stat) {
			continue
		}
		news = append(news, m.Name)
		at := join(clean(p), m.Name.Name)
		if m.dirs == nil {
			s.files[at] = m.layer
			continue
		}
		if was != nil && !m.done {
			for _, i := range was.dirs {
				m.dirs = append(m.dirs, i+shift)
			}
		}
		s.layers[at] = m.dirs
	}
	return olds, news, nil
}

// find looks for names in the directories that make up p.
func (s *Stack) find(l *Lister, layers []int, p string, names []merged, attrs bool) (map[string]*merged, error) {
	want := make([]string, 0, len(names))
	for k := range names {
		want = append(want, names[k].Name.Name)
	}
	var found []merged
	for _, i := range layers {
		if len(want) == 0 {
			break
		}
		names, err := l.some(s.dirs[i], p, want, attrs, s.opaque)
		if err != nil {
			return nil, err
		}
		found = lay(found, names, i)
		done := make(map[string]struct{}, len(found))
		for k := range found {
			if found[k].done {
				done[found[k].Name.Name] = struct{}{}
			}
		}
		want = slices.DeleteFunc(want, func(name string) bool { _, is := done[name]; return is })
	}
	out := make(map[string]*merged, len(found))
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range found {
		m := &found[k]
		out[m.Name.Name] = m
		if m.dirs != nil {
			s.layers[join(clean(p), m.Name.Name)] = m.dirs
		}
	}
	return out, nil
}

// withoutShared drops the names of news that lie beneath what was added, and
// those same names of olds.
func withoutShared(olds, news []Name, added int) (o, n []Name) {
	o, n = olds[:0], news[:0]
	for _, name := range news {
		for len(olds) > 0 && olds[0].Name < name.Name {
			o, olds = append(o, olds[0]), olds[1:]
		}
		inBoth := len(olds) > 0 && olds[0].Name == name.Name
		if name.layer >= added && inBoth {
			olds = olds[1:]
			continue
		}
		n = append(n, name)
	}
	return append(o, olds...), n
}

// merge lays the listings of one directory over each other and notes what
// makes up the directories in it.
func (s *Stack) merge(p string, layers []int, read func(i int) ([]Name, error)) ([]Name, error) {
	var out []merged
	for _, i := range layers {
		names, err := read(i)
		if errors.Is(err, unix.ENOENT) {
			continue // gone meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = lay(out, names, i)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed[p] = struct{}{}
	visible := make([]Name, 0, len(out))
	for k := range out {
		m := &out[k]
		if isWhiteout(&m.Stat) {
			s.files[join(p, m.Name.Name)] = hidden
			continue
		}
		visible = append(visible, m.Name)
		switch {
		case m.dirs != nil:
			s.layers[join(p, m.Name.Name)] = m.dirs
		case m.layer != layers[0]:
			s.files[join(p, m.Name.Name)] = m.layer
		}
	}
	return visible, nil
}

func join(p, name string) string {
	if p == "." {
		return name
	}
	return p + "/" + name
}

// merged is a name as the layers so far show it.
type merged struct {
	Name
	dirs []int // which make up a directory
	done bool  // nothing further down shows through
}

// lay puts the names of layer i beneath what lies above.
func lay(above []merged, names []Name, i int) []merged {
	if len(above) == 0 {
		above = make([]merged, 0, len(names))
	}
	out := make([]merged, 0, len(above)+len(names))
	for _, n := range names {
		for len(above) > 0 && above[0].Name.Name < n.Name {
			out, above = append(out, above[0]), above[1:]
		}
		isDir := n.Stat.Type() == unix.S_IFDIR
		if len(above) == 0 || above[0].Name.Name != n.Name {
			m := merged{Name: n, done: !isDir || n.opaque}
			m.layer = i
			if isDir {
				m.dirs = []int{i}
			}
			out = append(out, m)
			continue
		}
		m := above[0]
		above = above[1:]
		if !m.done && isDir {
			m.dirs = append(m.dirs, i)
		}
		m.done = m.done || !isDir || n.opaque
		out = append(out, m)
	}
	return append(out, above...)
}
