// Package image is the store of images: their configurations, names and
// parents, on disk exactly as moby's imagedb and repositories.json, and what
// is told of them (listing, history, inspection, verification, removal).
//
// A configuration is kept byte for byte as it came; an image exists from the
// moment its configuration is in place and is whole from then on, because its
// layers are stored before. Archives are read and written by image/archive,
// names are kept by image/refs, untrusted input is opened by image/input.
//
// It may import layer and graphdriver, and never host.
package image
