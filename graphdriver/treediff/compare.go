package treediff

// Side says which tree a request is about.
type Side uint8

const (
	Old Side = iota
	New
)

// Dir asks for one directory. Path is relative to the tree's root, which
// itself is "".
type Dir struct {
	Side Side
	Path string
}

// Source answers questions about the two trees.
type Source interface {
	// List lists directories in the order asked for: it calls names with all
	// names of dirs[i], sorted by bytes, as many at a time as it likes, with i
	// never decreasing. The nodes may be reused after names returns. An error
	// from names is returned.
	//
	// A directory that both trees have is asked for twice, the old tree's and
	// then the new one's. Names for which Agree holds may be left out of both
	// answers, directories only if the same holds for all beneath them.
	List(dirs []Dir, names func(i int, n []Node) error) error
	// Equal sets equal[i] if paths[i] is a regular file with the same content
	// in both trees, or a symbolic link with the same target.
	Equal(paths [][]byte, equal []bool) error
}

// Kind is what happened to a path.
type Kind uint8

const (
	Modified Kind = iota
	Added
	Deleted
)

// Change is one path that differs. Path, New and Old are valid until emit
// returns.
type Change struct {
	Kind Kind
	// Path is relative, without leading slash.
	Path []byte
	// New is the node as it is now, nil if it was deleted; Old as it was, nil
	// if it was added.
	New, Old *Node
}

// Options of a comparison.
type Options struct {
	// NoOld compares with an empty tree: everything was added.
	NoOld bool
	// Created lets files whose ctimes are earlier pass without a look at
	// their content.
	Created Created
	// DirTimes counts a directory whose mtime has changed as Modified, even if
	// nothing in it has: an archive is to say so, a list of changes is not.
	DirTimes bool
}

// batch is how many directories of the new tree one request asks for.
const batch = 64

// Compare emits what turns the old tree into the new one, breadth first: a
// directory comes before what lies in it. A directory that holds a change is
// emitted as Modified, so that an archive keeps its times and owner; the root
// never is. What lay beneath a deleted or replaced directory is not listed.
func Compare(src Source, opts Options, emit func(*Change) error) error {
	c := &comparison{src: src, opts: opts, emit: emit, dirs: []dir{{up: -1, reported: true, both: !opts.NoOld}}}
	for next := 0; next < len(c.dirs); {
		end := min(next+batch, len(c.dirs))
		if err := c.level(next, end); err != nil {
			return err
		}
		next = end
	}
	return c.relinked()
}

// dir is one directory of the new tree, kept because changes beneath it may
// have to name it. Its node's Name is not kept.
type dir struct {
	path     string
	up       int
	reported bool
	both     bool // the old tree has it too
	old, new Node
}

type comparison struct {
	src  Source
	opts Options
	emit func(*Change) error
	dirs []dir

	asks  []Dir
	index []int // asks[i] is about dirs[index[i]]

	// The old listing of the directory whose new one comes next.
	old   []Node
	names []byte
	at    int
	open  int // index in dirs of the directory being merged, -1 for none
	// asked counts the answers that have begun; keeping says that the last of
	// them is the old tree's.
	asked   int
	keeping bool
	change  Change // the one being emitted

	path    []byte // of the directory being merged, lead bytes, and a name in it
	lead    int
	pending []pair
	paths   []byte
	links   links
}

// pair is a name whose content has to be looked at.
type pair struct {
	dir      int
	from, to int // in paths
	old, new Node
}

// level lists and merges dirs[from:to], then compares contents.
func (c *comparison) level(from, to int) error {
	c.asks, c.index = c.asks[:0], c.index[:0]
	for i := from; i < to; i++ {
		if c.dirs[i].both {
			c.asks = append(c.asks, Dir{Old, c.dirs[i].path})
			c.index = append(c.index, i)
		}
		c.asks = append(c.asks, Dir{New, c.dirs[i].path})
		c.index = append(c.index, i)
	}
	c.open, c.asked = -1, 0
	if err := c.src.List(c.asks, c.found); err != nil {
		return err
	}
	if err := c.begin(len(c.asks) - 1); err != nil {
		return err
	}
	if err := c.finish(); err != nil {
		return err
	}
	return c.contents()
}

// found takes names of the answer to asks[i].
func (c *comparison) found(i int, names []Node) error {
	if i >= c.asked {
		if err := c.begin(i); err != nil {
			return err
		}
	}
	if c.keeping {
		c.keep(names)
		return nil
	}
	for k := range names {
		n := &names[k]
		// Nearly all names are of files that are in both trees and the same.
		if c.at < len(c.old) && !n.IsDir() {
			if old := &c.old[c.at]; equalNames(old.Name, n.Name) && n.Nlink == 1 && judge(old, n, c.opts) == same {
				c.at++
				continue
			}
		}
		if err := c.merge(n); err != nil {
			return err
		}
	}
	return nil
}

// begin starts the answers to asks up to upTo, all but the last of which have
// no names.
func (c *comparison) begin(upTo int) error {
	for ; c.asked <= upTo; c.asked++ {
		c.keeping = c.asks[c.asked].Side == Old
		d := c.index[c.asked]
		if c.open == d {
			continue // the new listing follows the old one
		}
		if err := c.finish(); err != nil {
			return err
		}
		c.open = d
		c.old, c.names, c.at = c.old[:0], c.names[:0], 0
		if c.path = append(c.path[:0], c.dirs[d].path...); len(c.path) > 0 {
			c.path = append(c.path, '/')
		}
		c.lead = len(c.path)
	}
	return nil
}

// finish ends the directory being merged: old names left over are gone.
func (c *comparison) finish() error {
	if c.open < 0 {
		return nil
	}
	for ; c.at < len(c.old); c.at++ {
		if err := c.deleted(&c.old[c.at]); err != nil {
			return err
		}
	}
	c.open = -1
	return nil
}

// keep stores old names. Appending may move their bytes; earlier nodes then go
// on pointing into the former array, which is as good.
func (c *comparison) keep(names []Node) {
	at := len(c.old)
	c.old = append(c.old, names...)
	for k := range c.old[at:] {
		n := &c.old[at+k]
		from := len(c.names)
		c.names = append(c.names, n.Name...)
		n.Name = c.names[from:len(c.names):len(c.names)]
	}
}

// merge takes one new name in order.
func (c *comparison) merge(n *Node) error {
	var old *Node
	for ; c.at < len(c.old); c.at++ {
		order := compareNames(c.old[c.at].Name, n.Name)
		if order > 0 {
			break
		}
		if order == 0 {
			old = &c.old[c.at]
			c.at++
			break
		}
		if err := c.deleted(&c.old[c.at]); err != nil {
			return err
		}
	}
	if old == nil {
		return c.added(n)
	}
	v := judge(old, n, c.opts)
	if v == askContent {
		at := len(c.paths)
		c.paths = append(c.paths, c.join(n.Name)...)
		p := pair{dir: c.open, from: at, to: len(c.paths), old: *old, new: *n}
		p.old.Name, p.new.Name = nil, nil
		c.pending = append(c.pending, p)
		return nil
	}
	if n.IsDir() {
		c.push(n, old)
	}
	if v == same {
		c.links.same(c.open, c.join(n.Name), old, n)
		return nil
	}
	return c.report(c.open, Change{Kind: Modified, Path: c.join(n.Name), New: n, Old: old}, n.IsDir())
}

func (c *comparison) added(n *Node) error {
	if n.IsDir() {
		c.push(n, nil)
	}
	return c.report(c.open, Change{Kind: Added, Path: c.join(n.Name), New: n}, n.IsDir())
}

func (c *comparison) deleted(n *Node) error {
	return c.report(c.open, Change{Kind: Deleted, Path: c.join(n.Name), Old: n}, false)
}

// push queues a directory of the new tree.
func (c *comparison) push(n, old *Node) {
	d := dir{path: string(c.join(n.Name)), up: c.open, new: *n}
	d.new.Name = nil
	if old != nil {
		d.old = *old
		d.old.Name = nil
		d.both = old.IsDir()
	}
	c.dirs = append(c.dirs, d)
}

// report emits a change within dirs[in], after the directories above it.
// last says that the change is the directory pushed last.
func (c *comparison) report(in int, ch Change, last bool) error {
	if !c.dirs[in].reported {
		if err := c.reportDir(in); err != nil {
			return err
		}
	}
	if last {
		c.dirs[len(c.dirs)-1].reported = true
	}
	c.links.changed(ch.New)
	c.change = ch // one for all: emit gives it back
	return c.emit(&c.change)
}

func (c *comparison) reportDir(i int) error {
	d := &c.dirs[i]
	if d.reported {
		return nil
	}
	if err := c.reportDir(d.up); err != nil {
		return err
	}
	d.reported = true
	return c.emit(&Change{Kind: Modified, Path: []byte(d.path), New: &d.new, Old: &d.old})
}

// join is the path of a name in the directory being merged, until the next
// join.
func (c *comparison) join(name []byte) []byte {
	c.path = append(c.path[:c.lead], name...)
	return c.path
}

// contents asks about all names that metadata could not decide.
func (c *comparison) contents() error {
	if len(c.pending) == 0 {
		return nil
	}
	paths := make([][]byte, len(c.pending))
	for i, p := range c.pending {
		paths[i] = c.paths[p.from:p.to]
	}
	equal := make([]bool, len(paths))
	if err := c.src.Equal(paths, equal); err != nil {
		return err
	}
	for i := range c.pending {
		p := &c.pending[i]
		if equal[i] {
			c.links.same(p.dir, paths[i], &p.old, &p.new)
			continue
		}
		if err := c.report(p.dir, Change{Kind: Modified, Path: paths[i], New: &p.new, Old: &p.old}, false); err != nil {
			return err
		}
	}
	c.pending, c.paths = c.pending[:0], c.paths[:0]
	return nil
}
