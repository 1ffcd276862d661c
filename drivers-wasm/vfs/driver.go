package vfs

import (
	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
)

// Driver implements guest.Driver and everything optional but FileReader.
type Driver struct{}

var _ interface {
	guest.Driver
	guest.Setupper
	guest.Differ
	guest.Changer
	guest.Applier
	guest.Sizer
	guest.Getter
} = Driver{}

// layers is the directory of the home that holds the layers.
const layers = "dir"

func layerDir(id string) string { return layers + "/" + id }

// Info implements guest.Driver.
func (Driver) Info() guest.Info {
	return guest.Info{Name: "vfs", Version: "1.0.0", DiskFormat: 1}
}

// Setup implements guest.Setupper.
func (Driver) Setup(c *guest.Call) error { return c.MakeDirAll(0, layers, 0o710) }

// Create implements guest.Driver.
func (Driver) Create(c *guest.Call) error {
	dir := layerDir(c.ID)
	if ok, err := c.DirExists(dir); err != nil {
		return err
	} else if ok {
		return c.Fail(abi.Exists, c.ID, "the layer exists")
	}
	if c.Parent == "" {
		if err := c.MakeDirAll(0, layers, 0o710); err != nil {
			return err
		}
		return c.MakeDir(0, dir, 0o755)
	}
	err := c.TreeCopy(0, layerDir(c.Parent), 0, dir)
	if err == abi.NotFound {
		return c.Fail(abi.NotFound, c.Parent, "the parent layer does not exist")
	}
	if err != nil {
		// What fails here too is the host's to report; the first error counts.
		_ = c.TreeRemove(0, dir)
	}
	return err
}

// CreateReadWrite implements guest.Driver.
func (d Driver) CreateReadWrite(c *guest.Call) error { return d.Create(c) }

// Remove implements guest.Driver.
func (Driver) Remove(c *guest.Call) error { return c.TreeRemove(0, layerDir(c.ID)) }

// Get implements guest.Driver.
func (d Driver) Get(c *guest.Call) (guest.Spec, error) {
	dir, err := d.DiffGetter(c)
	return guest.Dir(dir), err
}

// Put implements guest.Driver: Get holds nothing.
func (Driver) Put(*guest.Call) error { return nil }

// Exists implements guest.Driver.
func (Driver) Exists(c *guest.Call) (bool, error) { return c.DirExists(layerDir(c.ID)) }

// Status implements guest.Driver.
func (Driver) Status(*guest.Call) ([]guest.Pair, error) { return nil, nil }

// GetMetadata implements guest.Driver.
func (d Driver) GetMetadata(c *guest.Call) ([]guest.Pair, error) {
	_, err := d.DiffGetter(c)
	return nil, err
}

// Cleanup implements guest.Driver: there is nothing to release.
func (Driver) Cleanup(*guest.Call) error { return nil }

// DiffGetter implements guest.Getter.
func (Driver) DiffGetter(c *guest.Call) (string, error) {
	dir := layerDir(c.ID)
	ok, err := c.DirExists(dir)
	if err == nil && !ok {
		err = c.Fail(abi.NotFound, c.ID, "the layer does not exist")
	}
	return dir, err
}
