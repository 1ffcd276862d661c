// Package graphtest is the conformance suite of graph drivers: what a store of
// layers relies on, as named cases that any implementation of
// graphdriver.Driver can be run through. The cases that moby's suite has keep
// their names.
//
// It imports graphdriver, layertar and x/sys, and the testing package: it is
// for tests, and for programs that test drivers.
package graphtest
