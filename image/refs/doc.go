// Package refs keeps the names of images: repositories.json, as Docker
// writes it, with Docker's rules of what a name may be and may replace.
//
// It knows IDs only as digests and no images. It may import image/internal
// and nothing else of this module.
package refs
