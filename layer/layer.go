package layer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"github.com/opencontainers/go-digest"
)

// DiffID is the digest of a layer's uncompressed tar.
type DiffID digest.Digest

func (id DiffID) String() string { return string(id) }

// ChainID names a layer together with all beneath it.
// (OCI image-spec, "Layer ChainID".)
type ChainID digest.Digest

func (id ChainID) String() string { return string(id) }

// NextChainID is the chain ID of diff on top of parent, which is "" for the
// lowest layer.
func NextChainID(parent ChainID, diff DiffID) ChainID {
	if parent == "" {
		return ChainID(diff)
	}
	sum := sha256.Sum256([]byte(string(parent) + " " + string(diff)))
	return chainNamed(hex.EncodeToString(sum[:]))
}

// ChainOf is the chain ID of a whole list of diff IDs, lowest first; "" for
// an empty list.
func ChainOf(diffs []DiffID) ChainID {
	var chain ChainID
	for _, d := range diffs {
		chain = NextChainID(chain, d)
	}
	return chain
}

// Layer is one read-only layer with a reference held on it: it cannot be
// removed until the reference is released (Store.Release). Methods may be
// called concurrently.
type Layer interface {
	// TarStream yields exactly the bytes that the layer was registered with.
	// It is verified: if the stored data has changed, Read fails, before or
	// at the end, with an error that wraps ErrCorrupt and where possible is
	// a *FileError naming the file. Nothing is verified before it was read.
	TarStream(ctx context.Context) (io.ReadCloser, error)
	// TarStreamFrom yields a tar that turns the tree of parent, which is any
	// ancestor or "" for none, into this layer's. Its bytes are the driver's
	// and are not verified. Any other parent is ErrNotAncestor.
	TarStreamFrom(ctx context.Context, parent ChainID) (io.ReadCloser, error)
	ChainID() ChainID
	DiffID() DiffID
	// Parent is the layer beneath, nil for the lowest. It holds no reference
	// of its own.
	Parent() Layer
	// Size is the size of this layer and all beneath it, in bytes.
	Size() int64
	// DiffSize is the size of this layer alone, in bytes: regular files, as
	// Docker counts them.
	DiffSize() int64
	// Depth counts this layer and all beneath it.
	Depth() int
	// CacheID is the driver's name for the layer.
	CacheID() string
	// Descriptor is what RegisterOptions.Descriptor was, nil for nothing.
	Descriptor() ([]byte, error)
	// Metadata is what the driver tells of the layer.
	Metadata(ctx context.Context) (map[string]string, error)
}
