package vfs

import (
	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
	"github.com/bulkhead/bulkhead/graphdriver/treediff"
)

// ApplyDiff implements guest.Applier: every entry goes where it says.
func (Driver) ApplyDiff(c *guest.Call) error {
	base, err := open(c, c.ID)
	if err != nil {
		return err
	}
	e := c.Entries()
	for e.Next() {
		e.Apply(base)
	}
	return e.Err()
}

// Diff implements guest.Differ.
func (Driver) Diff(c *guest.Call) error {
	t, err := openTrees(c)
	if err != nil {
		return err
	}
	return t.compare(func(ch *treediff.Change) error {
		if ch.Kind == treediff.Deleted {
			return c.EmitWhiteout(ch.Path)
		}
		return c.Emit(t.bases[treediff.New], ch.Path)
	})
}

// Changes implements guest.Changer.
func (Driver) Changes(c *guest.Call) error {
	t, err := openTrees(c)
	if err != nil {
		return err
	}
	kinds := [...]uint16{
		treediff.Modified: abi.ChangeModified,
		treediff.Added:    abi.ChangeAdded,
		treediff.Deleted:  abi.ChangeDeleted,
	}
	return t.compare(func(ch *treediff.Change) error { return c.Change(kinds[ch.Kind], ch.Path) })
}

// DiffSize implements guest.Sizer: the sizes of new and changed files, a file
// with several names counted once.
func (Driver) DiffSize(c *guest.Call) (int64, error) {
	t, err := openTrees(c)
	if err != nil {
		return 0, err
	}
	var size int64
	counted := make(map[uint64]struct{})
	err = t.compare(func(ch *treediff.Change) error {
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

func open(c *guest.Call, id string) (guest.Base, error) {
	base, err := c.OpenBase(layerDir(id))
	if err == abi.NotFound {
		err = c.Fail(abi.NotFound, id, "the layer does not exist")
	}
	return base, err
}

// trees are the layer at hand and the ancestor it is compared with, as
// treediff.Source sees them.
type trees struct {
	c       *guest.Call
	bases   [2]guest.Base
	listing *guest.Listing
	names   func(i int, n []treediff.Node) error
}

func openTrees(c *guest.Call) (*trees, error) {
	t := &trees{c: c, listing: c.Listing()}
	var err error
	if c.Parent != "" {
		if t.bases[treediff.Old], err = open(c, c.Parent); err != nil {
			return nil, err
		}
	}
	t.bases[treediff.New], err = open(c, c.ID)
	return t, err
}

func (t *trees) compare(emit func(*treediff.Change) error) error {
	return treediff.Compare(t, treediff.Options{
		NoOld:   t.c.Parent == "",
		Created: treediff.Created(t.c.Created),
	}, emit)
}

// List implements treediff.Source.
func (t *trees) List(dirs []treediff.Dir, names func(int, []treediff.Node) error) error {
	t.names = names
	for i := 0; i < len(dirs); i++ {
		d := dirs[i]
		if d.Side == treediff.Old { // the new tree's comes next
			t.listing.AddPair(uint64(i), t.bases[treediff.Old], t.bases[treediff.New], []byte(d.Path), abi.ListAttrs|abi.ListQuiet|abi.ListDeep)
			i++
			continue
		}
		t.listing.Add(uint64(i), t.bases[d.Side], []byte(d.Path), abi.ListAttrs)
	}
	return t.listing.Run(t)
}

// Begin implements guest.Visitor.
func (t *trees) Begin(_ uint64, code abi.Code) error { return errorOf(code) }

// Names implements guest.Visitor.
func (t *trees) Names(tag uint64, names []abi.Name) error { return t.names(int(tag), names) }

// End implements guest.Visitor.
func (t *trees) End(_ uint64, code abi.Code) error { return errorOf(code) }

// Equal implements treediff.Source.
func (t *trees) Equal(paths [][]byte, equal []bool) error {
	return t.c.FilesEqual(t.bases[treediff.Old], t.bases[treediff.New], paths, equal)
}

func errorOf(code abi.Code) error {
	if code != abi.OK {
		return code
	}
	return nil
}
