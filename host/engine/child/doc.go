// Package child is the process that runs one module with isolation "process".
// It has wasm, its memory and one socket, and asks the host for all else. It
// imports abi, host/calls, host/engine, and beneath that lockdown and wire.
//
// The process is this program, started anew: Main, called before anything
// else, takes over where it is.
package child
