package main

import (
	"github.com/bulkhead/bulkhead/abi/guest"
	"github.com/bulkhead/bulkhead/drivers-wasm/overlay2"
)

func init() { guest.Register(&overlay2.Driver{}) }

// main never runs: a module is called through its exports.
func main() {}
