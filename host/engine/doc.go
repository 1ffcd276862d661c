// Package engine runs one module's exports: it compiles, instantiates, pools
// and stops them, and turns wasm memory into the values that calls.Session
// takes. It is the only package that may import wazero, and imports nothing
// of this module but abi and host/calls.
//
// Beneath it: process runs modules in children of this process, child is such
// a child, wire what the two say to each other, lockdown what is taken away
// from it; native runs a driver's source without wasm.
package engine
