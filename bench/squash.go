package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/docker/docker/layer"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/squash"
)

const (
	craneName       = "crane flatten without its gzip, to a file; sync -f"
	mobySquashName  = "moby layer store, TarStreamFrom and Register; sync -f"
	buildSquashName = "docker build --squash, less the build; sync -f"
)

// squashing measures a squash of an image down to its keep lowest layers, 0
// for none. The image is there before.
func squashing(d *drivers, s *stack, keep int) measurement {
	ms := measurement{
		name: "squash-none", about: "all layers into one, " + s.String(), needs: []source{s}, skip: needsRoot(),
		variants: []variant{
			{name: overlayNativeName, run: d.squashes(d.overlayNative(), s, keep)},
			{name: overlayWasmName, run: d.squashes(d.overlayWasm(), s, keep)},
			{name: wasmName, run: d.squashes(d.wasm(), s, keep)},
			{name: mobySquashName, run: func(ctx context.Context, root string, m *meter) error { return s.mobySquashes(ctx, root, keep, m) }},
		},
		goals: []goal{{of: overlayWasmName, to: overlayNativeName}, {of: overlayWasmName, to: mobySquashName}},
	}
	if keep > 0 {
		ms.name, ms.about = "squash-first", "all layers but the first into one, "+s.String()
		return ms
	}
	ms.variants = append(ms.variants,
		variant{name: craneName, run: func(ctx context.Context, root string, m *meter) error { return s.flattens(ctx, root, m) }},
		variant{name: buildSquashName, skip: missing("dockerd"), run: func(ctx context.Context, root string, m *meter) error { return s.dockerSquashes(ctx, root, m) }})
	ms.goals = append(ms.goals, goal{of: overlayWasmName, to: craneName}, goal{of: overlayWasmName, to: buildSquashName, wall: told})
	return ms
}

// squashes is bulkhead's way: the layers are verified, the trees compared with
// their contents, the new layer and image durable.
func (d *drivers) squashes(f form, s *stack, keep int) func(context.Context, string, *meter) error {
	return func(ctx context.Context, root string, m *meter) error {
		path, err := s.archive(0)
		if err != nil {
			return err
		}
		return d.withStores(ctx, root, f, func(stores archive.Stores) error {
			if _, err := loadInto(ctx, stores, path); err != nil {
				return err
			}
			opts := squash.Options{Now: when}
			if keep > 0 {
				config, err := s.part(keep)
				if err != nil {
					return err
				}
				if opts.Parent, err = stores.Images.Create(ctx, config); err != nil {
					return err
				}
			}
			var made image.ID
			err := m.time(func() (err error) {
				made, err = squash.Image(ctx, squash.Stores{Images: stores.Images, Layers: stores.Layers}, image.ID(s.id()), opts)
				return err
			})
			if err != nil {
				return err
			}
			img, err := stores.Images.Get(made)
			if err != nil {
				return err
			}
			top, err := stores.Layers.Get(img.ChainID())
			if err != nil {
				return err
			}
			err = s.squashed(f.driver, len(img.RootFS.DiffIDs), keep, top.DiffSize())
			_, rerr := stores.Layers.Release(ctx, top)
			return errors.Join(err, rerr)
		})
	}
}

// squashed checks a squashed image. Of all layers the new one has to hold as
// much as the tree; of some it holds less than they do.
func (s *stack) squashed(driver string, layers, keep int, size int64) error {
	if err := expect("layers", layers, keep+1); err != nil {
		return err
	}
	whole := s.Tree.Bytes
	if driver == "overlay2" {
		whole += s.Tree.Targets
	}
	if keep == 0 {
		return expect("bytes in the squashed layer", size, whole)
	}
	if size <= 0 || size >= whole {
		return fmt.Errorf("the squashed layer has %d bytes of the tree's %d", size, whole)
	}
	return nil
}

// mobySquashes does what dockerd does to squash, with its own code: Diff over
// the chain into Register.
func (s *stack) mobySquashes(ctx context.Context, root string, keep int, m *meter) error {
	store, err := mobyStore(root)
	if err != nil {
		return err
	}
	top, err := registerAll(store, s.layers())
	if err != nil {
		return err
	}
	parent := top
	for parent != nil && keep > 0 && depth(parent) > keep {
		parent = parent.Parent()
	}
	chain := layer.ChainID("")
	if keep > 0 {
		chain = parent.ChainID()
	}
	var made layer.Layer
	err = m.time(func() error {
		r, err := top.TarStreamFrom(chain)
		if err != nil {
			return err
		}
		made, err = store.Register(r, chain)
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
		return command(ctx, "sync", "-f", root)
	})
	if err != nil {
		return err
	}
	return s.squashed("overlay2", depth(made), keep, made.DiffSize())
}

func depth(l layer.Layer) int {
	n := 0
	for ; l != nil; l = l.Parent() {
		n++
	}
	return n
}
