// Package treecheck compares what lies on disk of a layer with what its
// archive says: types, modes, owners, times, sizes, symlinks, devices,
// extended attributes, which names are of one file, and that nothing is there
// besides. Content is not read: the archive's digest proves it.
//
// A Model is made of the entries of a chain's archives; Compare holds a
// graphdriver.StoredTree against it. The package imports graphdriver and
// layertar.
package treecheck
