// Package host runs a graph driver that is a WebAssembly module: its Driver
// implements graphdriver.Driver and its fast roads by calling the module's
// exports, checks what they answer, and keeps the host's own records of where
// each layer lies and since when.
//
// It may import abi, graphdriver (with its leaves and naivediff), host/calls,
// host/confine and host/engine. Nothing but cmd and serve imports it; layer and
// image know a Driver only by its interfaces.
package host
