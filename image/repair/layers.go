package repair

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/check"
	"github.com/bulkhead/bulkhead/layer"
)

// mendLayers mends layers, parents before those on top: those that something
// was told of, those that images lack, and those that cannot be used any more
// since what is beneath was mended.
func (r *repair) mendLayers(ctx context.Context) error {
	r.damaged()
	order := r.order(ctx)
	touched := map[layer.ChainID]bool{}
	for _, chain := range order {
		want := r.wants[chain]
		_, there := r.Layers.Map()[chain]
		if !r.layers[chain] && there && (!touched[want.Parent] || r.Layers.Probe(ctx, chain) == nil) {
			touched[chain] = touched[want.Parent]
			continue
		}
		did, err := r.Layers.Mend(ctx, want, r.from(want))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		touched[chain] = len(did) > 0
		if r.byLayer[chain] = err; err != nil {
			r.byLayer[chain] = fmt.Errorf("layer %s: %w", want.Diff, err)
		}
		k := key{layer: chain.String()}
		r.did[k] = append(r.did[k], did...)
	}
	r.credit()
	return nil
}

// from opens a layer's archive; nil where there is no source.
func (r *repair) from(want layer.Want) func(context.Context) (io.ReadCloser, error) {
	if r.opts.Source == nil {
		return nil
	}
	return func(ctx context.Context) (io.ReadCloser, error) {
		rc, err := r.opts.Source.Layer(ctx, want.Diff)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", layer.ErrNoArchive, err)
		}
		return rc, nil
	}
}

// chainAt is the layer whose directory a finding is about.
func chainAt(f check.Finding) layer.ChainID {
	return layer.ChainID(digest.NewDigestFromEncoded(digest.SHA256, filepath.Base(f.Path)))
}

// damaged finds which layers have to be mended.
func (r *repair) damaged() {
	for _, f := range r.found {
		switch layer.FaultKind(f.Kind) {
		case layer.FaultUnusable:
			r.layers[chainAt(f)] = true
		case layer.FaultShared:
			for _, chain := range r.Layers.Sharing() {
				r.layers[chain] = true
			}
		case layer.FaultRecord, layer.FaultTree, layer.FaultBuild, layer.FaultSize, layer.FaultContent, layer.FaultFile:
			if f.Layer != "" {
				r.layers[layer.ChainID(f.Layer)] = true
			}
		}
	}
}

// order lists all layers that are known to have to be there, and what each has
// to be: of the images chosen, and where none was, of all and whatever else is
// stored.
func (r *repair) order(ctx context.Context) (out []layer.ChainID) {
	add := func(parent layer.ChainID, diff layer.DiffID) layer.ChainID {
		w := layer.Want{Parent: parent, Diff: diff}
		if _, known := r.wants[w.ChainID()]; !known {
			r.wants[w.ChainID()] = w
			out = append(out, w.ChainID())
		}
		return w.ChainID()
	}
	for _, id := range r.images.IDs() {
		if len(r.opts.Images) > 0 && !slices.Contains(r.opts.Images, id) {
			continue
		}
		raw, err := r.images.Raw(id)
		if err != nil {
			continue
		}
		config, err := image.ParseConfig(raw)
		if err != nil {
			continue
		}
		chain := layer.ChainID("")
		for _, diff := range config.DiffIDs() {
			chain = add(chain, diff)
		}
	}
	if len(r.opts.Images) > 0 {
		return out
	}
	var all func(l layer.Layer) layer.ChainID
	all = func(l layer.Layer) layer.ChainID {
		if l == nil {
			return ""
		}
		return add(all(l.Parent()), l.DiffID())
	}
	stored := r.Layers.Map()
	chains := make([]layer.ChainID, 0, len(stored))
	for chain := range stored {
		chains = append(chains, chain)
	}
	slices.Sort(chains)
	for _, chain := range chains {
		all(stored[chain])
	}
	for _, w := range r.Layers.Missing(ctx) {
		add(w.Parent, w.Diff)
	}
	return out
}

// credit tells with findings that name no layer what was done about one.
func (r *repair) credit() {
	for _, f := range r.found {
		var chains []layer.ChainID
		switch {
		case f.Kind == string(layer.FaultUnusable):
			chains = []layer.ChainID{chainAt(f)}
		case f.Kind == string(image.FaultLayers) && len(f.Images) > 0:
			if raw, err := r.images.Raw(image.ID(f.Images[0])); err == nil {
				if config, err := image.ParseConfig(raw); err == nil {
					chains = config.Chain()
				}
			}
		}
		for _, chain := range chains {
			err, tried := r.byLayer[chain]
			if !tried && f.Kind == string(layer.FaultUnusable) {
				err = fmt.Errorf("which layer it was is not known, and no image says: load an image that has it")
			}
			for _, did := range r.did[key{layer: chain.String()}] {
				r.note(f, did, nil)
			}
			if err != nil {
				r.note(f, "", err)
			}
		}
	}
}
