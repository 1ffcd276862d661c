package treecheck

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// Difference is one path that is not as its archive says.
type Difference struct {
	Path string
	What string // in words, what it is and what it should be
}

func (d Difference) String() string { return fmt.Sprintf("%q %s", d.Path, d.What) }

// Compare reports, in the order of the paths, all that is not as it should be.
// An error of report ends it and is returned.
func (m *Model) Compare(ctx context.Context, tree graphdriver.StoredTree, report func(Difference) error) error {
	c := &comparison{ctx: ctx, m: m, tree: tree, report: report, files: map[inode]*file{}, inodes: map[*node]inode{}}
	root, err := tree.Root(ctx)
	if err != nil {
		return err
	}
	c.opaque = root.Opaque
	// Whoever fills a layer touches its root last: of the time nothing is said.
	if err := c.metadata(".", m.root, &root, true); err != nil {
		return err
	}
	if err := c.dir(".", m.root); err != nil {
		return err
	}
	return c.links()
}

type inode struct{ dev, ino uint64 }

// file is an inode with several names, or one that ought to have.
type file struct {
	node  *node
	first string
	names uint64
	nlink uint64
}

type comparison struct {
	ctx    context.Context
	m      *Model
	tree   graphdriver.StoredTree
	report func(Difference) error
	files  map[inode]*file
	inodes map[*node]inode
	opaque bool // the root has moby's mark
}

func (c *comparison) say(path, format string, args ...any) error {
	return c.report(Difference{Path: path, What: fmt.Sprintf(format, args...)})
}

func join(dir, name string) string {
	if dir == "." {
		return name
	}
	return dir + "/" + name
}

func (c *comparison) dir(p string, n *node) error {
	names, err := c.tree.ReadDir(c.ctx, p, true)
	if err != nil {
		return err
	}
	left := make(map[string]*node, len(n.kids))
	for name, kid := range n.kids {
		left[name] = kid
	}
	for i := range names {
		got := &names[i]
		at := join(p, got.Name)
		want := left[got.Name]
		delete(left, got.Name)
		if want == nil {
			if err := c.say(at, "is a %s that the archive does not have", got.Kind); err != nil {
				return err
			}
			continue
		}
		if err := c.node(at, want, got); err != nil {
			return err
		}
	}
	missing := make([]string, 0, len(left))
	for name, kid := range left {
		if !kid.optional && !(kid.byRoot && c.opaque) {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	for _, name := range missing {
		if err := c.say(join(p, name), "is missing, where there should be a %s", left[name].kind); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) node(p string, want *node, got *graphdriver.StoredNode) error {
	if want.kind != got.Kind {
		return c.say(p, "is a %s and should be a %s", got.Kind, want.kind)
	}
	if want.kind == layertar.Whiteout {
		return nil // it has nothing but its name
	}
	if err := c.metadata(p, want, got, false); err != nil {
		return err
	}
	if want.kind == layertar.Dir {
		return c.dir(p, want)
	}
	return c.linked(p, want, got)
}

func (c *comparison) metadata(p string, want *node, got *graphdriver.StoredNode, root bool) error {
	var bad []string
	differ := func(what string, format string, is, should any) {
		bad = append(bad, fmt.Sprintf("has %s "+format+" and should have "+format, what, is, should))
	}
	if !want.implied {
		if got.Mode != want.mode && want.kind != layertar.Symlink {
			differ("mode", "%#o", got.Mode, want.mode)
		}
		if got.UID != want.uid {
			differ("owner", "%d", got.UID, want.uid)
		}
		if got.GID != want.gid {
			differ("group", "%d", got.GID, want.gid)
		}
		if !root && !want.stirred && !sameTime(want, got) {
			differ("time", "%s", stamp(got.MtimeSec, got.MtimeNsec), stamp(want.sec, want.nsec))
		}
		bad = append(bad, attributes(want.xattrs, got.Xattrs)...)
	}
	switch want.kind {
	case layertar.File:
		if got.Size != want.size {
			differ("size", "%d", got.Size, want.size)
		}
	case layertar.Symlink:
		if got.Link != want.link {
			differ("target", "%q", got.Link, want.link)
		}
	case layertar.Char, layertar.Block:
		if got.Major != want.major || got.Minor != want.minor {
			differ("device", "%s", fmt.Sprintf("%d:%d", got.Major, got.Minor), fmt.Sprintf("%d:%d", want.major, want.minor))
		}
	case layertar.Dir:
		if got.Opaque && !want.mayCut {
			bad = append(bad, "hides what lies beneath and should not")
		}
		if !got.Opaque && want.mustCut && !root && !(want.byRoot && c.opaque) {
			bad = append(bad, "shows what lies beneath and should hide it")
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return c.say(p, "%s", strings.Join(bad, ", "))
}

// beyond tells whether got is the first or last time of a file system, which
// makes that of what lies beyond it. (s_time_min and s_time_max in Linux: of
// 32 bits, ext4, and xfs without and with bigtime.)
func beyond(want, got int64) bool {
	switch got {
	case -1 << 31, 0:
		return want < got
	case 1<<31 - 1, 1<<32 - 1, 15032385535, 16299260424:
		return want > got
	}
	return false
}

// sameTime allows for times that the file system does not have, and for moby, which moves times before 1970 to it, and whose
// archives have whole seconds: a layer that BuildKit made was never filled
// from its archive, and has the times of when its files were written.
func sameTime(want *node, got *graphdriver.StoredNode) bool {
	if got.MtimeNsec == 0 && beyond(want.sec, got.MtimeSec) {
		return true
	}
	return got.MtimeSec == want.sec && (got.MtimeNsec == want.nsec || want.nsec == 0)
}

func stamp(sec int64, nsec uint32) string { return fmt.Sprintf("%d.%09d", sec, nsec) }

func attributes(want, got []layertar.Xattr) (bad []string) {
	has := make(map[string]string, len(got))
	for _, x := range got {
		has[x.Name] = x.Value
	}
	for _, x := range want {
		v, ok := has[x.Name]
		delete(has, x.Name)
		switch {
		case !ok:
			bad = append(bad, fmt.Sprintf("lacks the attribute %s", x.Name))
		case v != x.Value:
			bad = append(bad, fmt.Sprintf("has another value of the attribute %s than it should", x.Name))
		}
	}
	for _, x := range got {
		if _, more := has[x.Name]; more {
			bad = append(bad, fmt.Sprintf("has the attribute %s that the archive does not have", x.Name))
		}
	}
	return bad
}

// linked notes which names are of one file.
func (c *comparison) linked(p string, want *node, got *graphdriver.StoredNode) error {
	id := inode{got.Dev, got.Ino}
	if known, ok := c.inodes[want]; ok && known != id {
		return c.say(p, "is a file of its own and should be another name of %q", c.files[known].first)
	}
	f := c.files[id]
	if f == nil {
		f = &file{node: want, first: p, nlink: got.Nlink}
		c.files[id] = f
		c.inodes[want] = id
	}
	f.names++
	if f.node != want {
		return c.say(p, "is another name of %q and should be a file of its own", f.first)
	}
	return nil
}

// links reports files that have names which were not seen: somebody else's.
func (c *comparison) links() error {
	var bad []*file
	for _, f := range c.files {
		if f.nlink > f.names {
			bad = append(bad, f)
		}
	}
	slices.SortFunc(bad, func(a, b *file) int { return strings.Compare(a.first, b.first) })
	for _, f := range bad {
		if err := c.say(f.first, "has %d names, and %d are the layer's: it can be changed through another", f.nlink, f.names); err != nil {
			return err
		}
	}
	return nil
}
