package v1

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/internal/brief"
	"github.com/bulkhead/bulkhead/image/internal/durable"
)

// note writes a file into the directory of an image, which is locked
// meanwhile.
func (g *Graph) note(ctx context.Context, id, name string, data []byte) error {
	if g.opts.ReadOnly {
		return image.ErrReadOnly
	}
	release, err := g.locks.Acquire(ctx, id, true)
	if err != nil {
		return err
	}
	defer release()
	return g.noteLocked(id, name, data)
}

func (g *Graph) noteLocked(id, name string, data []byte) error {
	dir, err := g.place(id)
	if err == nil {
		err = durable.WriteFile(filepath.Join(dir, name), data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("store %s of image %s: %w", name, id, err)
	}
	return nil
}

// SetLayerDigest notes the digest of the blob that the layer came as.
func (g *Graph) SetLayerDigest(ctx context.Context, id string, d digest.Digest) error {
	if err := d.Validate(); err != nil {
		return fmt.Errorf("digest %.100q of layer %s: %w", d, id, err)
	}
	return g.note(ctx, id, fileDigest, []byte(d))
}

// LayerDigest returns what SetLayerDigest noted, or ErrDigestNotSet.
func (g *Graph) LayerDigest(ctx context.Context, id string) (digest.Digest, error) {
	release, err := g.locks.Acquire(ctx, id, false)
	if err != nil {
		return "", err
	}
	defer release()
	return g.layerDigest(id)
}

func (g *Graph) layerDigest(id string) (digest.Digest, error) {
	text, err := g.noted(id, fileDigest, maxNote)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, image.ErrNotFound) {
		return "", fmt.Errorf("%w: %s", ErrDigestNotSet, id)
	}
	if err != nil {
		return "", err
	}
	d := digest.Digest(text)
	if err := d.Validate(); err != nil {
		return "", &CorruptError{ID: id, Cause: fmt.Errorf("%s %.100q: %w", fileDigest, text, err)}
	}
	return d, nil
}

// SetV1CompatibilityConfig notes the configuration as a manifest of schema 1
// carries it.
func (g *Graph) SetV1CompatibilityConfig(ctx context.Context, id string, data []byte) error {
	if err := bounded(data); err != nil {
		return err
	}
	return g.note(ctx, id, fileV1Config, data)
}

// V1CompatibilityConfig returns what SetV1CompatibilityConfig noted or
// GenerateV1CompatibilityChain made, or ErrNoConfig.
func (g *Graph) V1CompatibilityConfig(ctx context.Context, id string) ([]byte, error) {
	release, err := g.locks.Acquire(ctx, id, false)
	if err != nil {
		return nil, err
	}
	defer release()
	return g.v1Config(id)
}

func (g *Graph) v1Config(id string) ([]byte, error) {
	data, err := g.noted(id, fileV1Config, image.MaxConfigSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoConfig, id)
	}
	if err != nil {
		return nil, err
	}
	if err := bounded(data); err != nil {
		return nil, &CorruptError{ID: id, Cause: err}
	}
	return data, nil
}

func (g *Graph) noted(id, name string, limit int64) ([]byte, error) {
	dir, err := g.place(id)
	if err != nil {
		return nil, err
	}
	data, err := readRegular(filepath.Join(dir, name), limit)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, damage(id, err)
	}
	return data, err
}

// GenerateV1CompatibilityChain returns the v1 compatibility configuration of
// an image. One that is not there is made of the image's JSON, for the image
// and for those of its ancestors that lack it, and noted.
func (g *Graph) GenerateV1CompatibilityChain(ctx context.Context, name string) ([]byte, error) {
	id := name
	if ValidateID(name) != nil { // one that is noted is read whatever the index knows
		var err error
		if id, err = g.index.find(name); err != nil {
			return nil, fmt.Errorf("could not find image: %w", err)
		}
	}
	chain, err := g.withoutConfig(id)
	if err != nil {
		return nil, err
	}
	// One ID is locked at a time, so that chains which meet cannot wait for
	// each other.
	var config []byte
	made := map[string][]byte{}
	for i := len(chain) - 1; i >= 0; i-- {
		if config, err = g.generate(ctx, chain[i], made); err != nil {
			return nil, err
		}
		made[chain[i]] = config
	}
	return config, nil
}

// withoutConfig lists the image and those of its ancestors, nearest first,
// down to one that has a configuration.
func (g *Graph) withoutConfig(id string) ([]string, error) {
	seen := map[string]bool{}
	var chain []string
	for id != "" {
		if seen[id] {
			return nil, &CorruptError{ID: id, Cause: errors.New("it is its own ancestor")}
		}
		seen[id] = true
		chain = append(chain, id)
		_, err := g.v1Config(id)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrNoConfig) {
			return nil, err
		}
		if !g.index.has(id) {
			return nil, fmt.Errorf("could not find image: %w", &NotFoundError{Name: id})
		}
		img, err := g.load(id)
		if err != nil {
			return nil, err
		}
		id = img.Parent
	}
	return chain, nil
}

// generate returns the configuration of an image whose parent's is made.
func (g *Graph) generate(ctx context.Context, id string, made map[string][]byte) ([]byte, error) {
	release, err := g.locks.Acquire(ctx, id, true)
	if err != nil {
		return nil, err
	}
	defer release()
	config, err := g.v1Config(id)
	if !errors.Is(err, ErrNoConfig) {
		return config, err
	}
	img, err := g.sized(ctx, id)
	if err != nil {
		return nil, err
	}
	img.ID = strings.TrimPrefix(img.ID, digest.Canonical.String()+":")
	if img.Parent != "" {
		var parent struct{ ID string }
		if err := json.Unmarshal(made[img.Parent], &parent); err != nil {
			return nil, &CorruptError{ID: img.Parent, Cause: fmt.Errorf("%s: %w", fileV1Config, brief.Error(err))}
		}
		img.Parent = parent.ID
	}
	if config, err = json.Marshal(img); err != nil || g.opts.ReadOnly {
		return config, err
	}
	return config, g.noteLocked(id, fileV1Config, config)
}
