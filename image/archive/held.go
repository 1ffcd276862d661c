package archive

import (
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// held is a reader that holds a blob to the size and digest that were
// promised of it; without a promise it only reads.
type held struct {
	r        io.Reader
	promise  *ocispec.Descriptor
	verifier digest.Verifier
}

// hold checks the size at once and the digest in finish.
func hold(r io.Reader, promise *ocispec.Descriptor, size int64) (*held, error) {
	if promise == nil {
		return &held{r: r}, nil
	}
	if size != promise.Size {
		return nil, refuse("%s has %d bytes, its descriptor says %d: %w", blobPath(promise.Digest), size, promise.Size, ErrMismatch)
	}
	return &held{r: r, promise: promise, verifier: promise.Digest.Verifier()}, nil
}

func (h *held) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if h.verifier != nil {
		h.verifier.Write(p[:n]) // a hash does not fail
	}
	return n, err
}

// finish reads what is left and compares.
func (h *held) finish() error {
	if h.promise == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, h); err != nil {
		return err
	}
	if !h.verifier.Verified() {
		return refuse("%s has another digest: %w", blobPath(h.promise.Digest), ErrMismatch)
	}
	return nil
}
