// Package layer is the store of read-only layers: moby's layerdb on disk,
// the tree in a graph driver, the exact archive kept by tar-split.
//
// What it promises: a layer is registered whole or not at all, survives a
// crash once registered, and comes out byte for byte as it went in, or with
// an error. It may import graphdriver and layertar, and never host.
package layer
