package overlay2

import (
	"math/rand/v2"
	"strings"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
)

const (
	// links is the directory of the short names.
	links = "l"
	// linkLength is how long a short name is: 128 of them fit into a page,
	// which is all that mount(2) takes.
	linkLength = 26
	// maxDepth is how many layers may lie beneath one.
	maxDepth = 128
	letters  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

func diffDir(id string) string { return id + "/diff" }

func notFound(c *guest.Call, id string) error {
	return c.Fail(abi.NotFound, id, "the layer does not exist")
}

func exists(c *guest.Call, path string) (bool, error) {
	_, err := c.ReadFile(path)
	if err == abi.NotFound {
		return false, nil
	}
	return err == nil, err
}

// newLink gives a layer a short name. Its file comes first: a link that no
// file names could never be removed.
func newLink(c *guest.Call, id string) error {
	for {
		var b [linkLength]byte
		for i := range b {
			b[i] = letters[rand.IntN(len(letters))]
		}
		name := string(b[:])
		if err := write(c, id+"/link", name, 0o644); err != nil {
			return err
		}
		if err := c.Symlink("../"+diffDir(id), links+"/"+name); err != abi.Exists {
			return err
		}
	}
}

// readLink is a layer's own short name.
func readLink(c *guest.Call, id string) (string, error) {
	b, err := c.ReadFile(id + "/link")
	if err == abi.NotFound {
		return "", notFound(c, id)
	}
	name := string(b)
	if err == nil && !validLink(name) {
		err = c.Fail(abi.Corrupt, id+"/link", "the file does not hold a short name")
	}
	return name, err
}

// checkLink looks whether a layer's own short name leads to it.
func checkLink(c *guest.Call) error {
	name, err := readLink(c, c.ID)
	if err == abi.NotFound {
		return c.Fail(abi.Corrupt, c.ID+"/link", "the layer has no short name")
	}
	if err != nil {
		return err
	}
	target, err := c.Readlink(links + "/" + name)
	if err == abi.NotFound || err == nil && target != "../"+diffDir(c.ID) {
		return c.Fail(abi.Corrupt, links+"/"+name, "the short name does not lead to its layer")
	}
	return err
}

func validLink(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 2*linkLength
}

// lowerOf is what a layer on top of parent has in its file lower.
func lowerOf(c *guest.Call, parent string) (string, error) {
	link, err := readLink(c, parent)
	if err != nil {
		return "", err
	}
	lower := links + "/" + link
	beneath, err := c.ReadFile(parent + "/lower")
	if err == nil {
		lower += ":" + string(beneath)
	} else if err != abi.NotFound {
		return "", err
	}
	if strings.Count(lower, ":") >= maxDepth {
		return "", c.Fail(abi.Limit, parent, "too many layers lie beneath")
	}
	return lower, nil
}

// chain is the directories of a layer and all beneath it, its own first.
func (d *Driver) chain(c *guest.Call, id string) ([]string, error) {
	ok, err := c.DirExists(diffDir(id))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, notFound(c, id)
	}
	dirs := []string{diffDir(id)}
	b, err := c.ReadFile(id + "/lower")
	if err == abi.NotFound {
		return dirs, nil
	}
	if err != nil {
		return nil, err
	}
	if len(b) == 0 {
		return dirs, nil
	}
	for _, short := range strings.Split(string(b), ":") {
		name, ok := strings.CutPrefix(short, links+"/")
		if !ok || !validLink(name) || len(dirs) > maxDepth {
			return nil, c.Fail(abi.Corrupt, id+"/lower", "the file does not list short names")
		}
		target, err := c.Readlink(short)
		if err == abi.NotFound {
			return nil, c.Fail(abi.Corrupt, short, "a layer beneath is not there")
		}
		if err != nil {
			return nil, err
		}
		dir, ok := strings.CutPrefix(target, "../")
		if below, isDiff := strings.CutSuffix(dir, "/diff"); !ok || !isDiff || below == "" || below == "." || below == ".." || strings.Contains(below, "/") {
			return nil, c.Fail(abi.Corrupt, short, "the link does not lead to a layer")
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}
