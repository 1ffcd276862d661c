// Package archive brings images in from archives and writes them out: what
// `docker save` writes, OCI archives and OCI directories.
//
// Nothing of an archive is believed. What it says of itself is checked
// before any layer is read, every layer is checked against the image's
// configuration while it is stored, and images appear only after all layers
// are durable; an archive that is refused leaves nothing behind.
//
// It may import image, layer and graphdriver, and never host.
package archive
