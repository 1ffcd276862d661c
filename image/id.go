package image

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/layer"
)

// ID names an image: the sha256 digest of its configuration.
type ID digest.Digest

func (id ID) String() string { return string(id) }

// Digest is the ID as the digest that it is.
func (id ID) Digest() digest.Digest { return digest.Digest(id) }

// Hex is the ID without its algorithm, as file names have it.
func (id ID) Hex() string { return strings.TrimPrefix(string(id), "sha256:") }

// Short is the form of the ID that tables show.
func (id ID) Short() string {
	hex := id.Hex()
	if len(hex) > 12 {
		return hex[:12]
	}
	return hex
}

// IDOf is the ID of the image with this configuration.
func IDOf(rawConfig []byte) ID { return ID(digest.SHA256.FromBytes(rawConfig)) }

// ParseID accepts a whole ID, with its algorithm and without shortening.
func ParseID(s string) (ID, error) {
	d := digest.Digest(s)
	if err := validSHA256(d); err != nil {
		return "", fmt.Errorf("image ID %q: %w", s, err)
	}
	return ID(d), nil
}

// validSHA256 refuses any digest that is not a well formed sha256.
func validSHA256(d digest.Digest) error {
	if layer.ValidDigest(d) {
		return nil
	}
	if err := d.Validate(); err != nil {
		return err
	}
	if a := d.Algorithm(); a != digest.SHA256 {
		return fmt.Errorf("digest algorithm %s where only sha256 is used", a)
	}
	return nil
}
