// Command minimal-driver is a complete graph driver: a directory per layer.
package main

import (
	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
)

type driver struct{}

func init() { guest.Register(driver{}) }
func main() {}

func (driver) Info() guest.Info { return guest.Info{Name: "minimal", Version: "1", DiskFormat: 1} }

func (driver) Create(c *guest.Call) error {
	if ok, err := c.DirExists(c.ID); err != nil {
		return err
	} else if ok {
		return abi.Exists
	}
	if c.Parent == "" {
		return c.MakeDir(0, c.ID, 0o755)
	}
	err := c.TreeCopy(0, c.Parent, 0, c.ID)
	if err != nil {
		c.TreeRemove(0, c.ID)
	}
	return err
}

func (d driver) CreateReadWrite(c *guest.Call) error    { return d.Create(c) }
func (driver) Remove(c *guest.Call) error               { return c.TreeRemove(0, c.ID) }
func (driver) Put(*guest.Call) error                    { return nil }
func (driver) Exists(c *guest.Call) (bool, error)       { return c.DirExists(c.ID) }
func (driver) Status(*guest.Call) ([]guest.Pair, error) { return nil, nil }
func (driver) Cleanup(*guest.Call) error                { return nil }

func (driver) Get(c *guest.Call) (guest.Spec, error) {
	_, err := c.OpenBase(c.ID)
	return guest.Dir(c.ID), err
}

func (driver) GetMetadata(c *guest.Call) ([]guest.Pair, error) {
	_, err := c.OpenBase(c.ID)
	return nil, err
}
