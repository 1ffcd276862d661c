package archive

import (
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image/input"
)

// checkCompression refuses a layer that is not compressed as its descriptor
// says, or is of a type that is no layer.
func checkCompression(promise *ocispec.Descriptor, found input.Compression) error {
	if promise == nil {
		return nil
	}
	var want input.Compression
	switch promise.MediaType {
	case ocispec.MediaTypeImageLayer, dockerLayer, nondistributable:
		want = input.None
	case ocispec.MediaTypeImageLayerGzip, dockerLayerGzip, nondistributable + "+gzip":
		want = input.Gzip
	case ocispec.MediaTypeImageLayerZstd, dockerLayerZstd, nondistributable + "+zstd":
		want = input.Zstd
	default:
		return refuse("layer of type %.100q, which is not known", promise.MediaType)
	}
	if found != want {
		return refuse("layer described as %s has compression %s", promise.MediaType, found)
	}
	return nil
}

// nondistributable layers are ordinary ones that registries may not pass on.
// (OCI image-spec, "Non-Distributable Layers", deprecated there.)
const nondistributable = "application/vnd.oci.image.layer.nondistributable.v1.tar"
