// Package convert takes images from one driver's stores to another's, beneath
// the same root or not: every layer as the archive that it was stored from,
// verified on the way, into Register; configurations byte for byte; then
// parents and names. Nothing of the source is changed or removed.
//
// It goes on where it was interrupted, image by image. When all of a driver's
// images have come over, a note says so (Mark): from then on the other driver is
// the one of the root, and gc may remove the old one's stores.
//
// The images of a containerd come over too (FromContainerd).
//
// It may import image, image/archive, image/containerd, layer and graphdriver, and never host.
package convert
