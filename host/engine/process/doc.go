// Package process runs modules in children: processes of this program that
// have wasm, its memory and one socket, and ask for all else here. Its modules
// are engine.Modules like those that run in this process. It imports abi,
// host/calls, host/engine, and beneath that lockdown and wire.
//
// A program that uses it calls child.Main before anything else.
package process
