package treediff

// links watches files with several names, of which each may look the same in
// both trees while they were linked otherwise: then all names of such a file
// have changed, since an archive says which name is a link to which.
type links struct {
	seen []linked            // names that look the same
	was  map[uint64]uint64   // the old file of a new one
	is   map[uint64]uint64   // and the other way
	bad  map[uint64]struct{} // new files that some names have changed of
}

// linked is a name that looks the same.
type linked struct {
	dir      int
	path     string
	old, new Node
}

// same takes note of a name that looks the same in both trees.
func (l *links) same(dir int, path []byte, old, new *Node) {
	if new.Nlink <= 1 || new.IsDir() {
		return
	}
	if l.was == nil {
		l.was, l.is = map[uint64]uint64{}, map[uint64]uint64{}
	}
	n := linked{dir: dir, path: string(path), old: *old, new: *new}
	n.old.Name, n.new.Name = nil, nil
	l.seen = append(l.seen, n)
	was, known := l.was[new.Ino]
	is, taken := l.is[old.Ino]
	if known && was != old.Ino || taken && is != new.Ino {
		l.mark(new.Ino)
		l.mark(is) // 0 is no inode
		return
	}
	l.was[new.Ino], l.is[old.Ino] = old.Ino, new.Ino
}

// changed takes note of a name that is emitted.
func (l *links) changed(new *Node) {
	if new != nil && new.Nlink > 1 && !new.IsDir() {
		l.mark(new.Ino)
	}
}

func (l *links) mark(ino uint64) {
	if l.bad == nil {
		l.bad = map[uint64]struct{}{}
	}
	l.bad[ino] = struct{}{}
}

// relinked emits the names that look the same of files of which others have
// changed. What was emitted before is not emitted again.
func (c *comparison) relinked() error {
	for i := range c.links.seen {
		n := &c.links.seen[i]
		if _, bad := c.links.bad[n.new.Ino]; !bad {
			continue
		}
		if err := c.report(n.dir, Change{Kind: Modified, Path: []byte(n.path), New: &n.new, Old: &n.old}, false); err != nil {
			return err
		}
	}
	return nil
}
