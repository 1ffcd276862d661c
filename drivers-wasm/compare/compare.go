package compare

import (
	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
	"github.com/bulkhead/bulkhead/graphdriver/treediff"
)

// Trees are what one call compares: the layer ID and its ancestor Parent.
type Trees struct {
	c       *guest.Call
	bases   [2]guest.Base
	listing *guest.Listing
	names   func(i int, n []treediff.Node) error
	flags   uint16 // of pairs
}

// New compares the tree of c.ID with that of c.Parent. Without a Parent old is
// not looked at, and everything was added.
func New(c *guest.Call, old, new guest.Base) *Trees {
	return &Trees{c: c, bases: [2]guest.Base{treediff.Old: old, treediff.New: new}, listing: c.Listing()}
}

// Diff emits what turns the old tree into the new one. Of nothing that is the
// new tree, which the host writes by itself.
func (t *Trees) Diff() error {
	if t.c.Parent == "" {
		return t.c.EmitTree(t.bases[treediff.New], []byte("."))
	}
	return t.compare(true, func(ch *treediff.Change) error {
		if ch.Kind == treediff.Deleted {
			return t.c.EmitWhiteout(ch.Path)
		}
		return t.c.Emit(t.bases[treediff.New], ch.Path)
	})
}

// Changes emits the paths that differ.
func (t *Trees) Changes() error {
	kinds := [...]uint16{
		treediff.Modified: abi.ChangeModified,
		treediff.Added:    abi.ChangeAdded,
		treediff.Deleted:  abi.ChangeDeleted,
	}
	return t.compare(false, func(ch *treediff.Change) error { return t.c.Change(kinds[ch.Kind], ch.Path) })
}

// Size is the sizes of new and changed files, a file with several names
// counted once.
func (t *Trees) Size() (int64, error) {
	var size int64
	counted := make(map[uint64]struct{})
	err := t.compare(false, func(ch *treediff.Change) error {
		if ch.New == nil || !ch.New.IsFile() {
			return nil
		}
		if ch.New.Nlink > 1 {
			if _, ok := counted[ch.New.Ino]; ok {
				return nil
			}
			counted[ch.New.Ino] = struct{}{}
		}
		size += int64(ch.New.Size)
		return nil
	})
	return size, err
}

// compare compares the trees. dirTimes says that the time of a directory
// counts by itself.
func (t *Trees) compare(dirTimes bool, emit func(*treediff.Change) error) error {
	t.flags = abi.ListAttrs | abi.ListQuiet | abi.ListDeep
	if dirTimes {
		t.flags |= abi.ListDirTimes
	}
	return treediff.Compare(source{t}, treediff.Options{
		NoOld:    t.c.Parent == "",
		Created:  treediff.Created(t.c.Created),
		DirTimes: dirTimes,
	}, emit)
}

// source is Trees as treediff and the listing see them.
type source struct{ *Trees }

// List implements treediff.Source.
func (t source) List(dirs []treediff.Dir, names func(int, []treediff.Node) error) error {
	t.Trees.names = names
	for i := 0; i < len(dirs); i++ {
		d := dirs[i]
		if d.Side == treediff.Old { // the new tree's comes next
			t.listing.AddPair(uint64(i), t.bases[treediff.Old], t.bases[treediff.New], []byte(d.Path), t.flags)
			i++
			continue
		}
		t.listing.Add(uint64(i), t.bases[treediff.New], []byte(d.Path), abi.ListAttrs)
	}
	return t.listing.Run(t)
}

// Begin implements guest.Visitor.
func (t source) Begin(_ uint64, code abi.Code) error { return errorOf(code) }

// Names implements guest.Visitor.
func (t source) Names(tag uint64, names []abi.Name) error { return t.Trees.names(int(tag), names) }

// End implements guest.Visitor.
func (t source) End(_ uint64, code abi.Code) error { return errorOf(code) }

// Equal implements treediff.Source.
func (t source) Equal(paths [][]byte, equal []bool) error {
	return t.c.FilesEqual(t.bases[treediff.Old], t.bases[treediff.New], paths, equal)
}

func errorOf(code abi.Code) error {
	if code != abi.OK {
		return code
	}
	return nil
}
