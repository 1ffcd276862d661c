// Package hostile is a corpus of drivers that attack their host: what each
// tries, in which method, and how the host has to answer. README.md lists it.
//
// The attacks of a driver that is otherwise honest are Go, in guest; modules
// that are wrong as such are put together by package assemble, so that tests
// need no tool but Go. The tests of package host run all of it. This package
// imports abi, graphdriver and assemble only.
package hostile
