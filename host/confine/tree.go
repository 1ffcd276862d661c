package confine

// Tree is a tree of files that can be listed, compared and archived: one
// directory, or several lying over each other.
type Tree interface {
	// at finds the directory beneath which p lies. No component of p is
	// followed if it is a symlink.
	at(p string) (*Dir, error)
	// list reads one directory, sorted by the bytes of its names.
	list(l *Lister, p string, attrs bool) ([]Name, error)
}

func (d *Dir) at(string) (*Dir, error) { return d, nil }

func (d *Dir) list(l *Lister, p string, attrs bool) ([]Name, error) {
	return l.read(d, p, attrs, "")
}

// List reads one directory of a tree, sorted by the bytes of its names.
func (l *Lister) List(t Tree, p string, attrs bool) ([]Name, error) { return t.list(l, p, attrs) }

// Pair reads one directory of two trees. Where the new one is a Stack on top
// of the old, names that lie beneath what was added are left out of both: they
// are the very same files, and so is all beneath such a directory.
func (l *Lister) Pair(old, new Tree, p string, attrs bool) (olds, news []Name, oldErr, newErr error) {
	o, ok := old.(*Stack)
	n, ok2 := new.(*Stack)
	if ok && ok2 {
		if added, ok := n.above(o); ok {
			return n.pair(l, o, added, p, attrs)
		}
	}
	olds, oldErr = l.List(old, p, attrs)
	news, newErr = l.List(new, p, attrs)
	return olds, news, oldErr, newErr
}
