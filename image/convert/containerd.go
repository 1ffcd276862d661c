package convert

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/containerd"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/image/refs"
	"github.com/bulkhead/bulkhead/layer"
)

// FromContainerd brings the images of a containerd into to, as Run does: all
// platforms of an image that are there, named for the one that is this
// machine's. limits are those of Load. What is missing or damaged is passed over
// and told in the result.
func FromContainerd(ctx context.Context, from *containerd.Store, to archive.Stores, limits archive.Limits, opts Options) (Result, error) {
	c := &fromContainerd{conversion: conversion{to: to, opts: opts}, from: from, limits: limits, loaded: map[string]image.ID{}}
	if c.opts.Stored == nil {
		c.opts.Stored = func(image.ID) {}
	}
	for _, img := range from.Images {
		id, err := c.load(ctx, img)
		if err == nil {
			err = c.name(ctx, img.Name, id)
		}
		if err != nil && (ctx.Err() != nil || !ofTheSource(err)) {
			return c.done, fmt.Errorf("%s: %w", img.Name, err)
		}
		if err != nil {
			c.left("image", img.Name, err)
		}
	}
	return c.done, nil
}

// ofTheSource tells what is containerd's fault from what would fail for any
// image.
func ofTheSource(err error) bool {
	for _, class := range []error{input.ErrRefused, input.ErrMissing, layertar.ErrRefused, archive.ErrMismatch, layer.ErrDigestMismatch, layer.ErrCorrupt, refs.ErrConflict, ErrNameTaken} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}

type fromContainerd struct {
	conversion
	from   *containerd.Store
	limits archive.Limits
	loaded map[string]image.ID // by the digest of the manifest
}

// load stores all manifests of an image, and returns the one for this machine,
// or else the first.
func (c *fromContainerd) load(ctx context.Context, img containerd.Image) (id image.ID, err error) {
	manifests, err := c.from.Manifests(img)
	if err != nil {
		return "", err
	}
	var failed, lost []error
	best := false
	for _, m := range manifests {
		got, err := c.manifest(ctx, m)
		if err != nil && (ctx.Err() != nil || !ofTheSource(err)) {
			return "", err
		}
		if err != nil {
			err = fmt.Errorf("manifest %s: %w", m.Digest.Encoded()[:12], err)
			failed = append(failed, err)
			// Another platform that was never fetched in full is no loss.
			if ours(m.Platform) || !errors.Is(err, input.ErrMissing) {
				lost = append(lost, err)
			}
			continue
		}
		if here := ours(m.Platform); id == "" || here && !best {
			id, best = got, here
		}
	}
	if id == "" {
		return "", errors.Join(failed...)
	}
	return id, errors.Join(lost...)
}

func ours(p *ocispec.Platform) bool {
	return p == nil || p.OS == "linux" && p.Architecture == runtime.GOARCH
}

func (c *fromContainerd) manifest(ctx context.Context, m ocispec.Descriptor) (image.ID, error) {
	if id, ok := c.loaded[m.Digest.String()]; ok {
		return id, nil
	}
	in, err := c.from.Archive(m)
	if err != nil {
		return "", err
	}
	defer in.Close()
	before := c.to.Images.IDs()
	got, err := archive.Load(ctx, c.to, in, archive.LoadOptions{Limits: c.limits, Progress: c.opts.Progress, SkipStored: true})
	if err != nil {
		return "", err
	}
	if len(got) != 1 {
		return "", fmt.Errorf("%d images in one manifest: %w", len(got), input.ErrRefused)
	}
	id := got[0].ID
	c.loaded[m.Digest.String()] = id
	if slices.Contains(before, id) {
		if !slices.Contains(c.done.Stored, id) && !slices.Contains(c.done.Already, id) {
			c.done.Already = append(c.done.Already, id)
		}
		return id, nil
	}
	c.done.Stored = append(c.done.Stored, id)
	c.opts.Stored(id)
	return id, nil
}

// dangling begins what Docker calls images that have no name (moby
// daemon/containerd/soft_delete.go).
const dangling = "moby-dangling@"

// name gives an image its name, if that is one that images can have here:
// containerd's other users name images as they like, and Docker those that have
// no name any more.
func (c *fromContainerd) name(ctx context.Context, name string, id image.ID) error {
	if strings.HasPrefix(name, dangling) {
		return nil
	}
	ref, err := refs.Parse(name)
	if err != nil || reference.IsNameOnly(ref) {
		return nil
	}
	switch has, err := c.to.Images.Refs().Get(ref); {
	case err == nil && image.ID(has) == id:
		return nil
	case err == nil:
		return ErrNameTaken
	}
	_, err = c.to.Images.SetRefs(ctx, []image.Name{{Ref: ref, ID: id}})
	if errors.Is(err, refs.ErrInvalid) { // such as "sha256:…", by which Kubernetes finds images
		return nil
	}
	if err != nil {
		return err
	}
	c.done.Names++
	return nil
}
