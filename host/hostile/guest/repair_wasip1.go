package main

import (
	"os"

	"github.com/bulkhead/bulkhead/abi"
)

// repairs are attacks of a driver that is asked to make right what it notes
// about a layer on top of sealed.
func repairs(all map[string]attack) {
	once := func(name string, do attack) {
		all["repair-"+name] = func(c *call) int32 {
			if c.method != abi.MethodRepair {
				return c.honest()
			}
			return do(c)
		}
	}
	// A link that the damage left leads out, and the repair goes on through it.
	for _, use := range []string{"read", "write", "mkdir", "remove", "link-out", "rename", "cut"} {
		once("link-"+use, all["link-rel-"+use])
	}
	once("climbs", func(*call) int32 { q, n := str("../canary/new"); return makeDir(0, q, n, 0o755) })
	once("unseals", func(c *call) int32 {
		q, n := str(dirOf(c.parent))
		return treeRemove(0, q, n)
	})
	once("replaces", func(c *call) int32 {
		in(c)
		q, n := str(dirOf(c.id))
		t, m := str(dirOf(c.parent))
		return rename(0, q, n, t, m)
	})
	once("mounts", func(c *call) int32 { return give(abi.AppendFieldSpec(nil, abi.DirSpec(dirOf(c.parent)))) })
	once("lies", func(*call) int32 { return 0 })
	once("wrecks", func(c *call) int32 { return code(os.WriteFile("/l/"+c.id, []byte("no layer"), 0o600)) })
}
