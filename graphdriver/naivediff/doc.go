// Package naivediff completes a graph driver that can only keep trees: it
// finds and applies differences by walking them, from outside the driver.
//
// Unlike moby's it compares contents where size and times agree, unless it is
// known that neither file has changed since one tree was made from the other.
// It may import graphdriver and its leaves and host/confine, which knows how
// to walk a tree safely; it knows nothing of WebAssembly.
package naivediff
