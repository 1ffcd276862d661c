package archive

import (
	"encoding/json"
	"io"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/image/internal/brief"
	"github.com/bulkhead/bulkhead/image/internal/jsonsize"
)

// readDocument reads a whole small file.
func readDocument(in input.Archive, name string, limit int64) ([]byte, error) {
	f, err := in.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Size() > limit {
		return nil, refuse("%s has %d bytes, more than %d", name, f.Size(), limit)
	}
	data := make([]byte, f.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, refuse("%s: %w", name, err)
	}
	return data, nil
}

// readBlob reads a whole small blob and checks it against its descriptor.
func readBlob(in input.Archive, d ocispec.Descriptor, limit int64) ([]byte, error) {
	name, err := blobName(d)
	if err != nil {
		return nil, err
	}
	data, err := readDocument(in, name, limit)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != d.Size {
		return nil, refuse("%s has %d bytes, its descriptor says %d: %w", name, len(data), d.Size, ErrMismatch)
	}
	if got := d.Digest.Algorithm().FromBytes(data); got != d.Digest {
		return nil, refuse("%s has digest %s: %w", name, got, ErrMismatch)
	}
	return data, nil
}

// blobName is where an OCI layout keeps what d describes.
func blobName(d ocispec.Descriptor) (string, error) {
	if err := d.Digest.Validate(); err != nil {
		return "", refuse("descriptor with digest %.80q: %w", string(d.Digest), err)
	}
	if d.Size < 0 {
		return "", refuse("descriptor of %s with size %d", d.Digest, d.Size)
	}
	return blobPath(d.Digest), nil
}

func blobPath(d digest.Digest) string {
	return "blobs/" + d.Algorithm().String() + "/" + d.Encoded()
}

// decode reads one JSON document that fills data.
func decode(name string, data []byte, v any) error {
	if !utf8.Valid(data) {
		return refuse("%s: not UTF-8", name)
	}
	if err := jsonsize.Check(data); err != nil {
		return refuse("%s: %w", name, err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return refuse("%s: %w", name, brief.Error(err))
	}
	return nil
}
