// Command liar is overlay2 but for repairs: what it does in one is what the
// file "lie" of its home says, and then it says that all is well.
package main

import (
	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
	"github.com/bulkhead/bulkhead/drivers-wasm/overlay2"
)

type liar struct{ overlay2.Driver }

func (l *liar) Repair(c *guest.Call) error {
	lie, err := c.ReadFile("lie")
	if err == abi.NotFound {
		return l.Driver.Repair(c)
	}
	if err != nil {
		return err
	}
	tree := c.ID + "/diff"
	switch string(lie) {
	case "empties":
		_ = c.TreeRemove(0, tree)
		_ = c.MakeDir(0, tree, 0o755)
	case "alters":
		_ = c.WriteFile(tree+"/d/f", []byte("lies"))
	case "adds":
		_ = c.WriteFile(tree+"/lies", nil)
	case "empties the parent":
		_ = c.TreeRemove(0, c.Parent+"/diff")
	case "moves away":
		_ = c.Rename(0, c.ID, "elsewhere")
	case "removes":
		_ = c.TreeRemove(0, c.ID)
	case "points elsewhere":
		_ = c.WriteFile(c.ID+"/lower", []byte("l/AAAAAAAAAAAAAAAAAAAAAAAAAA"))
	case "nothing":
	default:
		return c.Fail(abi.Invalid, string(lie), "no such lie")
	}
	return nil
}

func init() { guest.Register(&liar{}) }

// main never runs: a module is called through its exports.
func main() {}
