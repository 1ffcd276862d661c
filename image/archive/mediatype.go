package archive

import (
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image/input"
)

// CompressionOf is how a layer of a type is compressed, if it is the type of a
// layer.
func CompressionOf(mediaType string) (input.Compression, bool) {
	switch mediaType {
	case ocispec.MediaTypeImageLayer, dockerLayer, nondistributable:
		return input.None, true
	case ocispec.MediaTypeImageLayerGzip, dockerLayerGzip, nondistributable + "+gzip":
		return input.Gzip, true
	case ocispec.MediaTypeImageLayerZstd, dockerLayerZstd, nondistributable + "+zstd":
		return input.Zstd, true
	}
	return "", false
}

// checkCompression refuses a layer that is not compressed as its descriptor
// says, or is of a type that is no layer.
func checkCompression(promise *ocispec.Descriptor, found input.Compression) error {
	if promise == nil {
		return nil
	}
	want, known := CompressionOf(promise.MediaType)
	if !known {
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
