package child

import (
	"os"

	"github.com/bulkhead/bulkhead/host/engine/wire"
)

// The descriptors that a child is started with, beside the standard ones.
const (
	socketFd = 3
	cacheFd  = 4
)

// Main runs the child and does not return, if this process is one. Whatever
// program runs drivers, tests included, calls it first.
func Main() { (&guest{}).main() }

func (g *guest) main() {
	if len(os.Args) == 2 && os.Args[0] == wire.ChildName {
		g.socket = wire.Socket(socketFd)
		os.Exit(g.run())
	}
}

// How a child ends by itself.
const (
	exitDone  = 0 // it compiled, or the host has gone
	exitLocks = 3 // it could not be locked
	exitLoad  = 4 // the module could not be loaded
	exitWire  = 5 // the host said what no host says
)
