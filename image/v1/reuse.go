package v1

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"
)

// chainLock is locked by who locks several IDs. No image has it as its ID.
const chainLock = "chain"

// ReuseIDs chooses the IDs of the images of one chain, lowest first. An image
// that the graph has under the ID of its v1 configuration keeps that, as long
// as it and all beneath it prove to be what the strong IDs are made of. A
// strong ID whose image in the graph proves to be something else gives way to
// the digest of itself, and so on, up to one that is free or right.
// (moby 1.9 graph/pull_v2.go.)
func (g *Graph) ReuseIDs(ctx context.Context, chain []*StrongImage) error {
	reuse := true
	ids := map[string]struct{}{}
	for _, s := range chain {
		for _, id := range []string{s.id, s.compatibility} {
			if ValidateID(id) == nil {
				ids[id] = struct{}{}
			}
		}
		if !g.index.has(s.compatibility) {
			continue
		}
		if _, err := g.GenerateV1CompatibilityChain(ctx, s.compatibility); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			g.opts.Log.Info("IDs are not reused", zap.String("image", s.compatibility), zap.Error(err))
			reuse = false
		}
	}
	unlock, err := g.lockAll(ctx, ids)
	if err != nil {
		return err
	}
	defer unlock()
	for i, s := range chain {
		if err := ctx.Err(); err != nil {
			return err
		}
		if there, err := g.registered(s.id); err != nil {
			return err
		} else if there {
			if err := g.prove(s.id, chain[:i+1]); err != nil {
				reuse = false
				if err := g.nextID(ctx, chain[:i+1]); err != nil {
					return err
				}
			}
		} else if reuse {
			if err := g.prove(s.compatibility, chain[:i+1]); err != nil {
				reuse = false
			} else {
				s.id = s.compatibility
			}
		}
		s.parent = ""
		if i > 0 {
			s.parent = chain[i-1].id
		}
	}
	return nil
}

// lockAll locks IDs for reading, in order; chainLock keeps out those who do
// the same with others.
func (g *Graph) lockAll(ctx context.Context, ids map[string]struct{}) (unlock func(), err error) {
	var held []func()
	unlock = func() {
		for _, release := range slices.Backward(held) {
			release()
		}
	}
	names := append([]string{chainLock}, slices.Sorted(maps.Keys(ids))...)
	for _, name := range names {
		release, err := g.locks.Acquire(ctx, name, name == chainLock)
		if err != nil {
			unlock()
			return nil, err
		}
		held = append(held, release)
	}
	return unlock, nil
}

var errOtherContent = errors.New("its content is not what its ID was made of")

// prove tells whether the image in the graph is the top one of the chain.
func (g *Graph) prove(id string, chain []*StrongImage) error {
	if !g.index.has(id) {
		return &NotFoundError{Name: id}
	}
	img, err := g.load(id)
	if err != nil {
		return err
	}
	var parentID string
	var parent digest.Digest
	if n := len(chain); n > 1 {
		parentID, parent = chain[n-2].id, chain[n-2].strong
	}
	if img.Parent != parentID {
		return fmt.Errorf("%w: image %s has parent %q where %q is wanted", errOtherContent, Short(id), img.Parent, parentID)
	}
	layerDigest, err := g.layerDigest(id)
	if err != nil {
		return err
	}
	v1Config, err := g.v1Config(id)
	if err != nil {
		return err
	}
	config, err := MakeConfig(v1Config, layerDigest, parent)
	if err != nil {
		return err
	}
	if want := chain[len(chain)-1].strong; digest.Canonical.FromBytes(config) != want {
		return fmt.Errorf("%w: image %s has not the strong ID %s", errOtherContent, Short(id), want)
	}
	return nil
}

// nextID gives the top image the first ID, of the digests of IDs, that is free
// or proves right.
func (g *Graph) nextID(ctx context.Context, chain []*StrongImage) error {
	s := chain[len(chain)-1]
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.id = digest.Canonical.FromString(s.id).Encoded()
		there, err := g.registered(s.id)
		if err != nil {
			return err
		}
		if !there {
			return nil
		}
		err = g.prove(s.id, chain)
		if err == nil {
			return nil
		}
		g.opts.Log.Info("an ID is taken by another image", zap.String("image", s.id), zap.Error(err))
	}
}
