// Package engine runs one module's exports: it compiles, instantiates, pools
// and stops them, and turns wasm memory into the values that calls.Session
// takes. It is the only package that may import wazero, and imports nothing
// of this module but abi and host/calls.
package engine
