package gc

import (
	"context"
	"errors"
	"fmt"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/check"
	"github.com/bulkhead/bulkhead/layer"
)

// Options say what is freed.
type Options struct {
	// DryRun only lists.
	DryRun bool
	// Ours: no Docker has kept anything beneath the root, so that trees which
	// nobody here has are nobody's.
	Ours bool
}

// Kept is something that would be of no use and has to stay.
type Kept struct{ What, Why string }

// Result is what was freed, or with DryRun would be.
type Result struct {
	Freed []layer.Waste
	Size  int64
	Kept  []Kept
}

// Run frees what nobody needs. The stores were opened to write, Damaged, or
// with DryRun to read. Where damage hides what some layer or tree belongs to,
// none of these goes. What was freed is returned also with an error.
func Run(ctx context.Context, in check.Stores, opts Options) (Result, error) {
	r := Result{Freed: []layer.Waste{}, Kept: []Kept{}}
	hidden, err := hides(ctx, in)
	if err != nil {
		return r, err
	}
	if hidden > 0 {
		r.Kept = append(r.Kept, Kept{"layers and trees that nobody seems to have",
			fmt.Sprintf("whose they are is hidden by damage (%d findings of check): check --repair first", hidden)})
	}
	waste, err := in.Layers.Waste(ctx, layer.WasteOptions{
		Layers: hidden == 0, Trees: hidden == 0 && opts.Ours,
		Kept: func(what string, why error) { r.Kept = append(r.Kept, Kept{what, why.Error()}) },
	})
	if err != nil {
		return r, err
	}
	var errs []error
	free := in.Layers.Freeing()
	for _, w := range waste {
		if !opts.DryRun {
			if err := free.Free(ctx, w); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", w.Path, err))
				if ctx.Err() != nil {
					break
				}
				continue
			}
		}
		r.Freed = append(r.Freed, w)
		r.Size += w.Size
	}
	return r, errors.Join(errs...)
}

// hides counts what keeps from telling what a layer or a tree belongs to.
func hides(ctx context.Context, in check.Stores) (n int, err error) {
	err = check.Run(ctx, in, check.Options{}, func(f check.Finding) error {
		switch f.Kind {
		case string(image.FaultConfig), string(layer.FaultUnusable), string(layer.FaultShared), string(layer.FaultContainer), string(layer.FaultTree):
			n++ // a tree that is missing may lie there by another name
		}
		return nil
	})
	return n, err
}
