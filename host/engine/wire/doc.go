// Package wire is what a child that runs a module and its host say to each
// other, over one socket: the child asks, one thing at a time, and the host
// answers. It holds messages and how they are read and written, and imports
// abi, host/calls and host/engine (for the table of imports).
//
// The child believes its host. The host believes nothing: ParseRequest takes
// what it is told of lengths only as far as the bytes are there.
package wire
