// Package overlay2 is the graph driver that keeps of each layer what it adds
// to those beneath, as moby's overlay2 does and in its very layout: beneath
// <id>/ the directory diff with the layer's entries, link with the short name
// by which l/<link> leads to it, lower with the short names of all layers
// beneath, top first, work for the mount, and the empty file committed once
// another layer has been made on top. Removed files are character devices 0:0,
// directories that replace others have the attribute overlay.opaque.
//
// The tree of a layer is an overlay mount, which the host makes. Layers are
// compared and archived as stacks of directories, without one.
//
// It imports the guest SDK, abi and compare; module/ compiles it to wasm.
package overlay2
