package repair

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/check"
	"github.com/bulkhead/bulkhead/layer"
)

// Source has what the stores have lost. *archive.Source and archive.FromStores
// are some.
type Source interface {
	// Offers are the images that it has.
	Offers(ctx context.Context) ([]archive.Offer, error)
	// Layer opens the archive of a layer, which is held to its digest;
	// layer.ErrNotFound says that it has none.
	Layer(ctx context.Context, id layer.DiffID) (io.ReadCloser, error)
}

// Options say what is mended.
type Options struct {
	// Quick does not read layers to find what is wrong with them.
	Quick bool
	// Images, if not empty, are the only ones whose damage is mended.
	Images []image.ID
	// Source may be nil.
	Source Source
	// Ours: no Docker has kept anything beneath the root, so that what nobody
	// here has is nobody's.
	Ours bool
}

// Stores are what is mended. Both were opened to write, Damaged, and nobody
// else may read or write beneath the root meanwhile.
type Stores struct {
	Layers *layer.Store
	// Images opens the store of images, Damaged; it is called again when
	// configurations have changed.
	Images func(ctx context.Context) (*image.Store, error)
	// Finish opens both as any command that writes does, and so finishes what
	// an earlier process left undone.
	Finish func(ctx context.Context) error
}

// Result is what became of a finding.
type Result struct {
	check.Finding
	// Done is what was done about it.
	Done []string `json:",omitempty"`
	// Left is why it is still there, "" where it is not.
	Left string `json:",omitempty"`
}

// Run finds what is wrong and mends it, and tells report of each finding. What
// is left is counted. Whatever is replaced is kept until somebody sweeps.
func Run(ctx context.Context, in Stores, opts Options, report func(Result) error) (left int, err error) {
	r := &repair{Stores: in, opts: opts, offers: map[image.ID]archive.Offer{}, did: map[key][]string{}, failed: map[key]error{},
		layers: map[layer.ChainID]bool{}, wants: map[layer.ChainID]layer.Want{}, byLayer: map[layer.ChainID]error{}}
	if err := r.run(ctx); err != nil {
		return 0, err
	}
	return r.tell(ctx, report)
}

// key is what makes a finding the same one later.
type key struct{ kind, path, layer string }

func keyOf(f check.Finding) key { return key{f.Kind, f.Path, f.Layer} }

type repair struct {
	Stores
	opts   Options
	images *image.Store
	found  []check.Finding
	offers map[image.ID]archive.Offer
	did    map[key][]string
	failed map[key]error
	// layers that something is wrong with, wants what they have to be, byLayer
	// what became of those that were mended.
	layers  map[layer.ChainID]bool
	wants   map[layer.ChainID]layer.Want
	byLayer map[layer.ChainID]error
}

func (r *repair) run(ctx context.Context) (err error) {
	if r.images, err = r.Images(ctx); err != nil {
		return err
	}
	if r.found, err = r.look(ctx, !r.opts.Quick); err != nil {
		return err
	}
	if len(r.found) == 0 {
		return nil
	}
	if r.opts.Source != nil {
		offers, err := r.opts.Source.Offers(ctx)
		if err != nil {
			return fmt.Errorf("what the repair is to be made from: %w", err)
		}
		for _, o := range offers {
			r.offers[o.ID] = o
		}
	}
	for _, step := range []func(context.Context) error{
		r.configs, r.simple, r.removals, r.mendLayers, r.containers, r.orphans, r.names, r.finish,
	} {
		if err := step(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if r.images, err = r.Images(ctx); err != nil {
			return err
		}
	}
	return nil
}

// look finds what is wrong now.
func (r *repair) look(ctx context.Context, full bool) (out []check.Finding, err error) {
	err = check.Run(ctx, check.Stores{Images: r.images, Layers: r.Layers}, check.Options{Full: full, Images: r.opts.Images}, func(f check.Finding) error {
		out = append(out, f)
		return nil
	})
	return out, err
}

// each does something about all findings of some kinds. That it fails is told
// with the finding.
func (r *repair) each(ctx context.Context, do func(f check.Finding) (did string, err error), kinds ...string) error {
	for _, f := range r.found {
		for _, kind := range kinds {
			if f.Kind != kind {
				continue
			}
			did, err := do(f)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			r.note(f, did, err)
		}
	}
	return nil
}

func (r *repair) note(f check.Finding, did string, err error) {
	if err != nil {
		r.failed[keyOf(f)] = errors.Join(r.failed[keyOf(f)], err)
		return
	}
	if did != "" {
		r.did[keyOf(f)] = append(r.did[keyOf(f)], did)
	}
}

// finish has what an earlier process left undone finished, unless images whose
// layers nobody could tell would lose them by that, or there is no way.
func (r *repair) finish(ctx context.Context) error {
	for _, f := range r.found {
		if _, failed := r.failed[keyOf(f)]; failed && (f.Kind == string(image.FaultConfig) || f.Kind == string(image.FaultNames)) {
			return nil
		}
	}
	return r.Finish(ctx)
}
