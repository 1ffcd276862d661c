package overlay2

import (
	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
)

// Create implements guest.Driver.
func (d *Driver) Create(c *guest.Call) error { return d.create(c) }

// CreateReadWrite implements guest.Driver: nothing tells such a layer from
// another but that nothing is made on top of it.
func (d *Driver) CreateReadWrite(c *guest.Call) error { return d.create(c) }

func (d *Driver) create(c *guest.Call) error {
	if c.ID == links {
		return c.Fail(abi.Invalid, c.ID, "the name is that of the directory of links")
	}
	if err := c.MakeDirAll(0, links, 0o700); err != nil {
		return err
	}
	lower := ""
	if c.Parent != "" {
		var err error
		if lower, err = lowerOf(c, c.Parent); err != nil {
			return err
		}
	}
	if err := c.MakeDir(0, c.ID, 0o710); err == abi.Exists {
		return c.Fail(abi.Exists, c.ID, "the layer exists")
	} else if err != nil {
		return err
	}
	err := d.fill(c, lower)
	if err != nil {
		// What fails here too is the host's to report; the first error counts.
		_ = d.Remove(c)
	}
	return err
}

// fill makes what a layer consists of. A child marks its parent as committed.
func (d *Driver) fill(c *guest.Call, lower string) error {
	if err := c.MakeDir(0, diffDir(c.ID), 0o755); err != nil {
		return err
	}
	if err := newLink(c, c.ID); err != nil {
		return err
	}
	if c.Parent == "" {
		return nil
	}
	if err := c.MakeDir(0, c.ID+"/work", 0o700); err != nil {
		return err
	}
	// Several children may be made at a time: a file that is made by one call
	// of the kernel has no half of it to be in another's way.
	if err := c.Mknod(0, c.Parent+"/committed", modeRegular|0o600, 0, 0); err != nil && err != abi.Exists {
		return err
	}
	return write(c, c.ID+"/lower", lower, 0o644)
}

// modeRegular is S_IFREG.
const modeRegular = 0o100000

func write(c *guest.Call, path, content string, mode uint32) error {
	err := c.WriteFile(path, []byte(content))
	if err == nil {
		err = c.Chmod(0, path, mode)
	}
	return err
}

// Remove implements guest.Driver.
func (d *Driver) Remove(c *guest.Call) error {
	if c.ID == links {
		return nil // no layer has that name
	}
	link, err := readLink(c, c.ID)
	if err == abi.NotFound || err == abi.Corrupt {
		// Removed in part before, or the power went when the link had been
		// written and the file had not.
		link, err = lostLink(c, c.ID)
	}
	if err != nil {
		return err
	}
	if link != "" {
		if err := c.TreeRemove(0, links+"/"+link); err != nil {
			return err
		}
	}
	return c.TreeRemove(0, c.ID)
}

// lostLink finds the short name of a layer whose file does not tell it: "" if
// there is none, or no such layer.
func lostLink(c *guest.Call, id string) (string, error) {
	if ok, err := c.DirExists(id); !ok || err != nil {
		return "", err
	}
	if ok, err := c.DirExists(links); !ok || err != nil {
		return "", nil // then nothing leads to the layer
	}
	return leadingTo(c, id)
}
