package image

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image/internal/brief"
	"github.com/bulkhead/bulkhead/image/internal/jsonsize"
	"github.com/bulkhead/bulkhead/layer"
)

// MaxConfigSize is the longest configuration that is accepted, in bytes.
const MaxConfigSize = 8 << 20

// Config is what an image's configuration says, in Docker's fields. It is
// read from the raw document and never written back, so nothing it does not
// know is lost. (OCI image-spec, "Image Configuration"; moby image/spec.)
type Config struct {
	Created         *time.Time        `json:"created,omitempty"`
	Author          string            `json:"author,omitempty"`
	Architecture    string            `json:"architecture,omitempty"`
	Variant         string            `json:"variant,omitempty"`
	OS              string            `json:"os,omitempty"`
	OSVersion       string            `json:"os.version,omitempty"`
	OSFeatures      []string          `json:"os.features,omitempty"`
	Config          *ContainerConfig  `json:"config,omitempty"`
	RootFS          ocispec.RootFS    `json:"rootfs"`
	History         []ocispec.History `json:"history,omitempty"`
	Comment         string            `json:"comment,omitempty"`
	Container       string            `json:"container,omitempty"`
	ContainerConfig *ContainerConfig  `json:"container_config,omitempty"`
	DockerVersion   string            `json:"docker_version,omitempty"`
}

// ParseConfig reads a configuration and refuses one that dockerd would not
// run: every error wraps ErrInvalidConfig.
func ParseConfig(raw []byte) (*Config, error) {
	if len(raw) > MaxConfigSize {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrInvalidConfig, len(raw), MaxConfigSize)
	}
	if err := jsonsize.Check(raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidConfig, err)
	}
	var c Config
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidConfig, brief.Error(err))
	}
	if c.RootFS.Type != "layers" {
		return nil, fmt.Errorf("%w: rootfs type is %.100q, not \"layers\"", ErrInvalidConfig, c.RootFS.Type)
	}
	if n := len(c.RootFS.DiffIDs); n > layer.MaxDepth {
		return nil, fmt.Errorf("%w: %d layers, more than %d: %w", ErrInvalidConfig, n, layer.MaxDepth, layer.ErrMaxDepth)
	}
	for i, d := range c.RootFS.DiffIDs {
		if err := validSHA256(d); err != nil {
			return nil, fmt.Errorf("%w: diff_id %d %.100q: %w", ErrInvalidConfig, i, d, err)
		}
	}
	if n := c.historyLayers(); n > len(c.RootFS.DiffIDs) {
		return nil, fmt.Errorf("%w: history tells of %d layers, rootfs of %d", ErrInvalidConfig, n, len(c.RootFS.DiffIDs))
	}
	return &c, nil
}

// historyLayers counts the steps of the history that made a layer.
func (c *Config) historyLayers() int {
	n := 0
	for _, h := range c.History {
		if !h.EmptyLayer {
			n++
		}
	}
	return n
}

// DiffIDs are the image's layers, lowest first.
func (c *Config) DiffIDs() []layer.DiffID {
	ids := make([]layer.DiffID, len(c.RootFS.DiffIDs))
	for i, d := range c.RootFS.DiffIDs {
		ids[i] = layer.DiffID(d)
	}
	return ids
}

// ChainID names the image's whole root file system, "" without layers.
func (c *Config) ChainID() layer.ChainID { return layer.ChainOf(c.DiffIDs()) }

// Chain are the chain IDs of the image's layers, lowest first.
func (c *Config) Chain() []layer.ChainID {
	chain := make([]layer.ChainID, 0, len(c.RootFS.DiffIDs))
	var top layer.ChainID
	for _, d := range c.RootFS.DiffIDs {
		top = layer.NextChainID(top, layer.DiffID(d))
		chain = append(chain, top)
	}
	return chain
}

// CreatedTime is when the image was made, the zero time if it does not say.
func (c *Config) CreatedTime() time.Time {
	if c.Created == nil {
		return time.Time{}
	}
	return *c.Created
}

// Labels are the labels of the image, nil without any.
func (c *Config) Labels() map[string]string {
	if c.Config == nil {
		return nil
	}
	return c.Config.Labels
}

// Platform is what the image was built for.
func (c *Config) Platform() ocispec.Platform {
	return ocispec.Platform{
		Architecture: c.Architecture,
		OS:           c.OS,
		OSVersion:    c.OSVersion,
		OSFeatures:   c.OSFeatures,
		Variant:      c.Variant,
	}
}

// Image is one stored image. It is not changed after it was returned.
type Image struct {
	ID     ID
	Parent ID // the image it was built from, "" if that is not known
	Raw    []byte
	Config
}

// verifyRaw tells whether the bytes are those that the ID was made of.
func verifyRaw(id ID, raw []byte) error {
	if got := digest.SHA256.FromBytes(raw); got != id.Digest() {
		return fmt.Errorf("configuration has digest %s", got)
	}
	return nil
}
