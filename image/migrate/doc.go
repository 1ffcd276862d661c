// Package migrate takes the images of a graph, the store of Docker before 1.10
// (image/v1), to stores where images are named by their content: layers as the
// archives that they were stored from where the graph knows those, else as the
// driver tells them; configurations as Docker 1.10 and later made them, so that
// images get the IDs that they have there; then parents and names. Nothing of
// the graph is changed.
//
// It goes on where it was interrupted, image by image: what an image of the
// graph became is noted beneath <root>/bulkhead/<driver>/migrated, a file for
// each ID.
//
// It may import image, image/archive, image/convert, image/refs, image/v1, layer and
// graphdriver, and never host.
package migrate
