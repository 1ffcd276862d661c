package main

import (
	"github.com/bulkhead/bulkhead/abi/guest"
	"github.com/bulkhead/bulkhead/drivers-wasm/vfs"
)

func init() { guest.Register(vfs.Driver{}) }

// main never runs: a module is called through its exports.
func main() {}
