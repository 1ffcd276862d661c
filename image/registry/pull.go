package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/refs"
	"github.com/bulkhead/bulkhead/layer"
)

// Pull is one image on its way into the stores. The network is waited for in
// Download, which needs no store locked; Store needs none but the disk.
type Pull struct {
	src   *Source
	image archive.Contents
	load  archive.LoadOptions
}

// NewPull finds the image of src that is for the platform, by default this
// machine's. One for another platform is refused, unless nobody asked and the
// registry has nothing else by that name.
func NewPull(src *Source, platform *ocispec.Platform, load archive.LoadOptions) (*Pull, error) {
	load.Platform, load.SkipStored = platform, true
	load = src.LoadOptions(load)
	all, err := archive.List(src, load)
	if err != nil {
		return nil, err
	}
	p := &Pull{src: src, image: all[0], load: load}
	if platform != nil {
		is := p.image.Config.Platform()
		if is.OS != platform.OS || is.Architecture != platform.Architecture || platform.Variant != "" && is.Variant != "" && is.Variant != platform.Variant {
			return nil, refuse("%s is for %s, and %s was asked for", reference.FamiliarString(src.ref), archive.FormatPlatform(is), archive.FormatPlatform(*platform))
		}
	}
	return p, nil
}

// LoadOptions are those by which the image is planned: by the name that it was
// opened by, and for no other platform if the registry has several.
func (s *Source) LoadOptions(load archive.LoadOptions) archive.LoadOptions {
	load.Exact, load.Names, load.Repository = true, s.names(), s.ref.Name()
	return load
}

// names are the tag, if the reference has one, and the digest.
func (s *Source) names() []reference.Named {
	var names []reference.Named
	if _, ok := s.ref.(reference.Canonical); !ok {
		names = append(names, s.ref)
	}
	if by, err := reference.WithDigest(reference.TrimNamed(s.ref), s.top.Digest); err == nil {
		names = append(names, by)
	}
	return names
}

// Download fetches the layers that are not stored.
func (p *Pull) Download(ctx context.Context, stored func(layer.ChainID) bool, progress archive.Progress) error {
	var missing []archive.Blob
	for i, id := range p.image.Config.Chain() {
		if b := p.image.Layers[i]; !stored(id) || p.load.Keep && !p.src.kept(b) {
			missing = append(missing, b)
		}
	}
	return p.src.Fetch(ctx, missing, progress)
}

// kept tells whether a layer is kept as the registry has it.
func (s *Source) kept(b archive.Blob) bool {
	if b.Promise == nil {
		return false
	}
	f, err := s.to.Open(b.Promise.Digest)
	return err == nil && f.Close() == nil
}

// Pulled is an image that was pulled.
type Pulled struct {
	ID image.ID
	// Ref is what was asked for, Digest what the registry calls it by.
	Ref    reference.Named
	Digest digest.Digest
	// News is false if the stores had it all, by this name.
	News bool
}

// Store puts the image, its layers and its names into the stores. What the
// stores have lost since Download is downloaded now.
func (p *Pull) Store(ctx context.Context, to archive.Stores, progress archive.Progress) (Pulled, error) {
	pulled := Pulled{ID: p.image.ID, Ref: p.src.ref, Digest: p.src.top.Digest, News: true}
	if had, err := to.Images.Refs().Get(p.src.ref); err == nil && image.ID(had) == p.image.ID {
		pulled.News = false
	}
	p.load.Progress = progress
	_, err := archive.Load(ctx, to, p.src, p.load)
	if errors.Is(err, refs.ErrConflict) {
		err = fmt.Errorf("%w, for another platform: pull this one by a tag, or remove that image first", err)
	}
	if err != nil {
		return Pulled{}, err
	}
	p.src.Spent()
	return pulled, nil
}

// Spent says that what was downloaded need not go on another time.
func (s *Source) Spent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.have {
		b.spent = true
	}
}
