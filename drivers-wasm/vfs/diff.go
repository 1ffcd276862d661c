package vfs

import (
	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
	"github.com/bulkhead/bulkhead/drivers-wasm/compare"
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
	t, err := trees(c)
	if err != nil {
		return err
	}
	return t.Diff()
}

// Changes implements guest.Changer.
func (Driver) Changes(c *guest.Call) error {
	t, err := trees(c)
	if err != nil {
		return err
	}
	return t.Changes()
}

// DiffSize implements guest.Sizer.
func (Driver) DiffSize(c *guest.Call) (int64, error) {
	t, err := trees(c)
	if err != nil {
		return 0, err
	}
	return t.Size()
}

func trees(c *guest.Call) (*compare.Trees, error) {
	var old guest.Base
	var err error
	if c.Parent != "" {
		if old, err = open(c, c.Parent); err != nil {
			return nil, err
		}
	}
	layer, err := open(c, c.ID)
	return compare.New(c, old, layer), err
}

func open(c *guest.Call, id string) (guest.Base, error) {
	base, err := c.OpenBase(layerDir(id))
	if err == abi.NotFound {
		err = c.Fail(abi.NotFound, id, "the layer does not exist")
	}
	return base, err
}
