// Package v1 is the graph: the store that Docker had before images were named
// by their content. Every image is one layer with one parent, and its ID is
// the ID of the driver's layer too.
//
// On disk, beneath <root>/graph as dockerd 1.x has it: <id>/json is the image,
// layersize what the layer adds in bytes, checksum the digest of the blob that
// it was pulled as, tar-data.json.gz what tar-split keeps of its archive,
// v1Compatibility the configuration as a manifest of schema 1 carries it, and
// parent the parent's ID where it differs from the one in json; _tmp holds what
// is being made or removed. Beneath <root>/bulkhead/<driver>/v1 lies what is
// ours: a mark that the root was made here, and the IDs of layers that are
// being made or removed.
//
// Images are lazily damaged: one that cannot be read keeps its place in the
// index and is an error when it is asked for, without hindering the others.
// That no other process writes meanwhile is the caller's to see to
// (layer/rootlock).
//
// It may import graphdriver, layer/tarsplit and the packages of image, and
// never host.
package v1
