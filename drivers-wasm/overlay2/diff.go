package overlay2

import (
	"slices"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
	"github.com/bulkhead/bulkhead/drivers-wasm/compare"
)

// ApplyDiff implements guest.Applier. The stack beneath is what hard links to
// files of other layers and directories that the archive leaves out are taken
// from.
func (d *Driver) ApplyDiff(c *guest.Call) error {
	chain, err := d.chain(c, c.ID)
	if err != nil {
		return err
	}
	_, stack, err := d.open(c, chain)
	if err != nil {
		return err
	}
	e := c.Entries()
	for e.Next() {
		e.Apply(stack)
	}
	return e.Err()
}

// Diff implements guest.Differ. Against the layer right beneath it is what
// lies in the layer's own directory, as in moby: also a file that was brought
// up and then left as it was.
func (d *Driver) Diff(c *guest.Call) error {
	chain, err := d.chain(c, c.ID)
	if err != nil {
		return err
	}
	if onTop(c, chain) {
		_, stack, err := d.open(c, chain)
		if err != nil {
			return err
		}
		return c.EmitLayer(stack)
	}
	t, err := d.trees(c)
	if err != nil {
		return err
	}
	return t.Diff()
}

// Changes implements guest.Changer.
func (d *Driver) Changes(c *guest.Call) error {
	t, err := d.trees(c)
	if err != nil {
		return err
	}
	return t.Changes()
}

// DiffSize implements guest.Sizer. Against the layer right beneath it is all
// that lies in the layer's own directory, as in moby.
func (d *Driver) DiffSize(c *guest.Call) (int64, error) {
	chain, err := d.chain(c, c.ID)
	if err != nil {
		return 0, err
	}
	if c.Parent == "" && len(chain) == 1 || onTop(c, chain) {
		return c.TreeUsage(0, chain[0])
	}
	t, err := d.trees(c)
	if err != nil {
		return 0, err
	}
	return t.Size()
}

// onTop reports whether a chain's first directory lies right on c.Parent.
func onTop(c *guest.Call, chain []string) bool {
	return c.Parent != "" && len(chain) > 1 && chain[1] == diffDir(c.Parent)
}

// trees are the stacks of a layer and of an ancestor. They share their bases,
// so that the host knows what lies beneath both.
func (d *Driver) trees(c *guest.Call) (*compare.Trees, error) {
	chain, err := d.chain(c, c.ID)
	if err != nil {
		return nil, err
	}
	bases, layer, err := d.open(c, chain)
	if err != nil || c.Parent == "" {
		return compare.New(c, 0, layer), err
	}
	var old guest.Base
	if at := slices.Index(chain, diffDir(c.Parent)); at > 0 {
		old, err = c.Stack(bases[at:], d.flags())
	} else if chain, err = d.chain(c, c.Parent); err == nil {
		_, old, err = d.open(c, chain)
	}
	return compare.New(c, old, layer), err
}

// open opens the directories of a chain and their stack.
func (d *Driver) open(c *guest.Call, chain []string) ([]guest.Base, guest.Base, error) {
	var bases []guest.Base
	for _, dir := range chain {
		b, err := c.OpenBase(dir)
		if err == abi.NotFound {
			return nil, 0, c.Fail(abi.Corrupt, dir, "the directory of a layer is not there")
		}
		if err != nil {
			return nil, 0, err
		}
		bases = append(bases, b)
	}
	stack, err := c.Stack(bases, d.flags())
	return bases, stack, err
}

func (d *Driver) flags() uint32 {
	if d.user() {
		return abi.StackUserAttrs
	}
	return 0
}
