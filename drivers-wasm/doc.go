// Package driverswasm holds the drivers that ship, compiled to WebAssembly and
// embedded from built/, which `make build` fills and which is not checked in:
// a fresh clone compiles without it, and Load then says what to do. Each
// driver's source is a folder here. The package imports the standard library
// only.
package driverswasm
