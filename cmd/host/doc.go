// Command bulkhead stores container images with graph drivers that are
// WebAssembly modules. It is the only place where drivers, stores and
// configuration meet; every command reads its flags, calls a package that
// does the work, and shows the result. There is a file per command group.
package main
