package overlay2

import (
	"strings"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
)

// Repair implements guest.Repairer: all but what diff holds follows from the
// parent, whose own short name is right by now. A short name is kept as long
// as anything tells it, since those of layers above are made of it.
func (d *Driver) Repair(c *guest.Call) error {
	if c.ID == links {
		return c.Fail(abi.Invalid, c.ID, "the name is that of the directory of links")
	}
	if err := c.MakeDirAll(0, links, 0o700); err != nil {
		return err
	}
	if err := c.MakeDir(0, c.ID, 0o710); err != nil && err != abi.Exists {
		return err
	}
	if err := mendDir(c, diffDir(c.ID), 0o755); err != nil {
		return err
	}
	if err := mendLink(c); err != nil {
		return err
	}
	if c.Parent == "" {
		return c.TreeRemove(0, c.ID+"/lower")
	}
	if err := mendDir(c, c.ID+"/work", 0o700); err != nil {
		return err
	}
	if err := c.Mknod(0, c.Parent+"/committed", modeRegular|0o600, 0, 0); err != nil && err != abi.Exists {
		return err
	}
	lower, err := lowerOf(c, c.Parent)
	if err != nil {
		return err
	}
	return mendFile(c, c.ID+"/lower", lower)
}

// mendDir makes a directory unless there is one. What is there instead of one
// holds nothing that a layer could have.
func mendDir(c *guest.Call, path string, mode uint32) error {
	ok, err := c.DirExists(path)
	if ok || err == abi.IO {
		return err
	}
	if err != nil {
		if err := c.TreeRemove(0, path); err != nil {
			return err
		}
	}
	return c.MakeDir(0, path, mode)
}

// mendFile gives a small file its content unless it has it.
func mendFile(c *guest.Call, path, content string) error {
	if b, err := c.ReadFile(path); err == nil && string(b) == content {
		return nil
	}
	err := write(c, path, content, 0o644)
	if err == nil {
		return nil
	}
	if err := c.TreeRemove(0, path); err != nil {
		return err
	}
	return write(c, path, content, 0o644)
}

// mendLink makes link and l/ agree: on the name that the file has, else on one
// that leads here, else on a new one.
func mendLink(c *guest.Call) error {
	file := c.ID + "/link"
	if b, err := c.ReadFile(file); err == nil && validLink(string(b)) {
		name := links + "/" + string(b)
		target, err := c.Readlink(name)
		if err == nil && target == "../"+diffDir(c.ID) {
			return nil
		}
		if err != nil || !hasName(c, target, string(b)) {
			if err := c.TreeRemove(0, name); err != nil {
				return err
			}
			return c.Symlink("../"+diffDir(c.ID), name)
		}
	}
	name, err := leadingTo(c, c.ID)
	if err != nil {
		return err
	}
	if name != "" {
		return mendFile(c, file, name)
	}
	if err := c.TreeRemove(0, file); err != nil {
		return err
	}
	return newLink(c, c.ID)
}

// hasName reports whether a short name that leads to target is the one of the
// layer there.
func hasName(c *guest.Call, target, name string) bool {
	id, ok := strings.CutPrefix(target, "../")
	id, isDiff := strings.CutSuffix(id, "/diff")
	if !ok || !isDiff || id == "" || id == "." || id == ".." || strings.Contains(id, "/") {
		return false
	}
	b, err := c.ReadFile(id + "/link")
	return err == nil && string(b) == name
}

// leadingTo finds a short name that leads to a layer, "" if there is none.
func leadingTo(c *guest.Call, id string) (string, error) {
	var all shortNames
	l := c.Listing()
	l.Add(0, 0, []byte(links), 0)
	if err := l.Run(&all); err != nil {
		return "", err
	}
	for _, name := range all.names {
		if target, err := c.Readlink(links + "/" + name); err == nil && target == "../"+diffDir(id) {
			return name, nil
		}
	}
	return "", nil
}

// shortNames collects what can be one.
type shortNames struct{ names []string }

func (*shortNames) Begin(_ uint64, code abi.Code) error { return failed(code) }
func (*shortNames) End(_ uint64, code abi.Code) error   { return failed(code) }

func (s *shortNames) Names(_ uint64, names []abi.Name) error {
	for i := range names {
		if name := string(names[i].Name); validLink(name) {
			s.names = append(s.names, name)
		}
	}
	return nil
}

func failed(code abi.Code) error {
	if code == abi.OK {
		return nil
	}
	return code
}
