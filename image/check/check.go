package check

import (
	"context"
	"slices"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/layer"
)

// Stores are what is looked at. Both were opened to read, Images with
// Options.Damaged.
type Stores struct {
	Images *image.Store
	Layers *layer.Store
}

// Options say how much is looked at.
type Options struct {
	// Full reads all layers too.
	Full bool
	// Images, if not empty, are the only ones that findings are told of, and
	// the only ones whose layers are read.
	Images []image.ID
}

// Run looks through the stores and tells report of each finding, which may end
// it with an error.
func Run(ctx context.Context, in Stores, opts Options, report func(Finding) error) error {
	c := &checking{Stores: in, opts: opts, report: report, users: in.Images.Users(), advice: advised(), blind: map[layer.ChainID]bool{}}
	if err := in.Images.Examine(ctx, c.ofImage); err != nil {
		return err
	}
	if err := in.Layers.Examine(ctx, c.ofLayer); err != nil {
		return err
	}
	if err := c.unused(ctx); err != nil {
		return err
	}
	if !opts.Full {
		return nil
	}
	return c.contents(ctx)
}

type checking struct {
	Stores
	opts   Options
	report func(Finding) error
	users  map[layer.ChainID][]image.ID
	blind  map[layer.ChainID]bool // whose archive is not known any more, or not its tree
	advice map[string]advice
}

func (c *checking) ofImage(f image.Fault) error {
	found := Finding{Kind: string(f.Kind), Path: f.Path, What: f.What}
	if f.Image != "" {
		found.Images = []string{f.Image.String()}
	}
	return c.tell(found)
}

func (c *checking) ofLayer(f layer.Fault) error {
	if f.Kind == layer.FaultRecord || f.Kind == layer.FaultTree {
		c.blind[f.Chain] = true
	}
	found := Finding{Kind: string(f.Kind), Path: f.Path, Layer: f.Chain.String(), What: f.What}
	for _, id := range c.users[f.Chain] {
		found.Images = append(found.Images, id.String())
	}
	return c.tell(found)
}

func (c *checking) tell(f Finding) error {
	if len(c.opts.Images) > 0 && !slices.ContainsFunc(c.opts.Images, func(id image.ID) bool { return slices.Contains(f.Images, id.String()) }) {
		return nil
	}
	f.Why, f.Do = c.advice[f.Kind].why, c.advice[f.Kind].do
	return c.report(f)
}

// unused finds layers that no image, no container and no builder has.
func (c *checking) unused(ctx context.Context) error {
	builders, err := c.Layers.BuildKits(ctx)
	if err != nil {
		return ctx.Err() // any may be BuildKit's
	}
	used := map[layer.ChainID]bool{}
	keep := func(l layer.Layer) {
		for ; l != nil; l = l.Parent() {
			used[l.ChainID()] = true
		}
	}
	layers := c.Layers.Map()
	for chain := range c.users {
		if l := layers[chain]; l != nil {
			keep(l)
		}
	}
	for chain, l := range layers {
		if builders(chain) {
			keep(l)
		}
	}
	for _, rw := range c.Layers.RWLayers() {
		keep(rw.Parent())
	}
	for _, l := range sorted(layers) {
		if used[l.ChainID()] || c.Layers.Unfinished(l) {
			continue
		}
		err := c.ofLayer(layer.Fault{Kind: layer.FaultUnused, Path: c.Layers.Directory(l), Chain: l.ChainID(), What: "no image and no container has it"})
		if err != nil {
			return err
		}
	}
	return nil
}

// contents reads the layers, parents before children.
func (c *checking) contents(ctx context.Context) error {
	v := c.Layers.Verifier()
	wanted := map[layer.ChainID]bool{}
	for chain, ids := range c.users {
		for _, id := range c.opts.Images {
			wanted[chain] = wanted[chain] || slices.Contains(ids, id)
		}
	}
	for _, l := range sorted(c.Layers.Map()) {
		if len(c.opts.Images) > 0 && !wanted[l.ChainID()] {
			continue
		}
		if c.blind[l.ChainID()] {
			continue // that was told, and there is nothing to compare
		}
		err := v.ExamineContent(ctx, l.ChainID(), func(f layer.Fault) error {
			if f.Kind == layer.FaultContent && c.onBlind(l) {
				return nil // so was that
			}
			return c.ofLayer(f)
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			err = c.ofLayer(layer.Fault{Kind: layer.FaultContent, Path: c.Layers.Directory(l), Chain: l.ChainID(), What: err.Error()})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// onBlind tells whether a layer beneath cannot be compared.
func (c *checking) onBlind(l layer.Layer) bool {
	for p := l.Parent(); p != nil; p = p.Parent() {
		if c.blind[p.ChainID()] {
			return true
		}
	}
	return false
}

// sorted puts each chain together, parents before children, so that none is
// read twice.
func sorted(layers map[layer.ChainID]layer.Layer) []layer.Layer {
	children := map[layer.ChainID][]layer.Layer{}
	for _, l := range layers {
		parent := layer.ChainID("")
		if p := l.Parent(); p != nil {
			parent = p.ChainID()
		}
		children[parent] = append(children[parent], l)
	}
	var out []layer.Layer
	var add func(parent layer.ChainID)
	add = func(parent layer.ChainID) {
		slices.SortFunc(children[parent], func(a, b layer.Layer) int {
			switch {
			case a.ChainID() < b.ChainID():
				return -1
			case a.ChainID() > b.ChainID():
				return 1
			}
			return 0
		})
		for _, l := range children[parent] {
			out = append(out, l)
			add(l.ChainID())
		}
	}
	add("")
	return out
}
