package v1

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/internal/brief"
)

// exactSince is the version of Docker from which on a v1 configuration is
// hashed as it came. Older ones wrote fields that were empty or not, as it
// happened, so theirs is written again first.
const exactSince = "1.8.3"

// MakeConfig is what the strong ID of an image is the digest of: its v1
// configuration without what depends on where it is stored, with the digest
// of its layer and the strong ID of its parent, "" for none.
// (moby 1.9 image/image.go.)
func MakeConfig(v1Config []byte, layerDigest, parent digest.Digest) ([]byte, error) {
	img, err := ParseImage(v1Config)
	if err != nil {
		return nil, err
	}
	if olderThan(img.DockerVersion, exactSince) {
		if v1Config, err = json.Marshal(img); err != nil {
			return nil, fmt.Errorf("%w: %w", image.ErrInvalidConfig, err)
		}
	}
	var fields map[string]*json.RawMessage // never nil: null has no version, and was written again
	if err := json.Unmarshal(v1Config, &fields); err != nil {
		return nil, fmt.Errorf("%w: %w", image.ErrInvalidConfig, brief.Error(err))
	}
	if fields["layer_id"], err = rawDigest(layerDigest); err != nil {
		return nil, fmt.Errorf("digest of the layer: %w", err)
	}
	if parent != "" {
		if fields["parent_id"], err = rawDigest(parent); err != nil {
			return nil, fmt.Errorf("strong ID of the parent: %w", err)
		}
	}
	for _, local := range []string{"id", "parent", "Size"} {
		delete(fields, local)
	}
	return json.Marshal(fields)
}

func rawDigest(d digest.Digest) (*json.RawMessage, error) {
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("%.100q: %w", d, err)
	}
	raw := json.RawMessage(strconv.Quote(string(d))) // digests need no escapes
	return &raw, nil
}

// olderThan compares versions by the numbers between their dots. What is no
// number counts as 0.
func olderThan(version, than string) bool {
	a, b := strings.Split(version, "."), strings.Split(than, ".")
	for i := range max(len(a), len(b)) {
		if x, y := part(a, i), part(b, i); x != y {
			return x < y
		}
	}
	return false
}

func part(parts []string, i int) int {
	if i >= len(parts) {
		return 0
	}
	n, err := strconv.Atoi(parts[i])
	if err != nil {
		return 0
	}
	return n
}

// StrongImage is an image of a manifest of schema 1, with the ID that its
// content gives it.
type StrongImage struct {
	id, parent    string
	strong        digest.Digest
	layer         digest.Digest
	compatibility string
	config        []byte
	v1Config      []byte
}

// NewStrongImage computes the ID of an image from its v1 configuration, the
// digest of its layer and its parent, nil for none.
func NewStrongImage(v1Config []byte, layerDigest digest.Digest, parent *StrongImage) (*StrongImage, error) {
	s := &StrongImage{layer: layerDigest, v1Config: v1Config}
	var above digest.Digest
	if parent != nil {
		above, s.parent = parent.strong, parent.id
	}
	var err error
	if s.config, err = MakeConfig(v1Config, layerDigest, above); err != nil {
		return nil, err
	}
	img, err := ParseImage(v1Config)
	if err != nil {
		return nil, err
	}
	s.strong = digest.Canonical.FromBytes(s.config)
	s.compatibility, s.id = img.ID, s.strong.Encoded()
	return s, nil
}

// ID implements Descriptor. It is the strong ID without its algorithm, unless
// ReuseIDs chose another.
func (s *StrongImage) ID() string { return s.id }

// Parent implements Descriptor.
func (s *StrongImage) Parent() string { return s.parent }

// MarshalConfig implements Descriptor.
func (s *StrongImage) MarshalConfig() ([]byte, error) { return s.config, nil }

// StrongID is the digest of the configuration that MarshalConfig returns.
func (s *StrongImage) StrongID() digest.Digest { return s.strong }

// CompatibilityID is the ID that the v1 configuration gives.
func (s *StrongImage) CompatibilityID() string { return s.compatibility }

// RegisterStrong registers an image with all that its ID was made of, so that
// it can be proven later.
func (g *Graph) RegisterStrong(ctx context.Context, s *StrongImage, layerData io.Reader) error {
	if err := g.Register(ctx, s, layerData); err != nil {
		return err
	}
	return errors.Join(g.SetLayerDigest(ctx, s.id, s.layer), g.SetV1CompatibilityConfig(ctx, s.id, s.v1Config))
}
