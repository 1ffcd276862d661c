// Package graphdriver is the native contract of a graph driver: what stores
// the trees of image layers and tells how they differ.
//
// It holds interfaces, capabilities, errors and the rules by which a driver
// is chosen. It knows nothing of WebAssembly: host implements these
// interfaces by running a module, naivediff completes a ProtoDriver, and
// layer uses whatever implements them. It may import layertar and nothing
// else of this module.
package graphdriver
