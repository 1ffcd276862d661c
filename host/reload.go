package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/calls"
)

// Reload replaces the driver's module by another that compile makes, and which
// compile has proven to be the one that is meant. The new one is asked what it
// is, and has to write the same disk format and be able to do all that the old
// one does; it is configured for this home and asked for its status. Only then
// do calls that begin go to it; those under way end on the old one, which is
// closed after its last. With any error but that of a ctx that ends while the
// old one still works, nothing has changed.
//
// Reload may be called beside any other method; one at a time takes place.
func (d *Driver) Reload(ctx context.Context, compile Compile) error {
	select {
	case d.reloading <- struct{}{}:
		defer func() { <-d.reloading }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if d.open.Err() != nil {
		return d.named(context.Cause(d.open))
	}
	next, err := d.load(ctx, compile)
	if err != nil {
		return d.named(fmt.Errorf("reload: %w", err))
	}
	if err = d.replaces(next.desc); err == nil {
		err = d.probe(ctx, next)
	}
	if err != nil {
		return d.named(fmt.Errorf("reload: %w", errors.Join(err, next.module.Close(context.WithoutCancel(ctx)))))
	}
	if err := d.modules.replace(ctx, next); err != nil {
		return d.named(fmt.Errorf("reload: %w", err))
	}
	return nil
}

// replaces refuses a module that could not go on where the current one stops.
func (d *Driver) replaces(next *Description) error {
	now := d.Description()
	if next.DiskFormat != now.DiskFormat {
		return fmt.Errorf("the new module (%s %s) writes disk format %d, the home is in %d; open it under another name and convert, or keep the old one: %w",
			next.Name, next.Version, next.DiskFormat, now.DiskFormat, graphdriver.ErrIncompatibleFS)
	}
	if next.Capabilities != now.Capabilities {
		return fmt.Errorf("the new module (%s %s) claims other capabilities (%+v) than the one that wrote the layers (%+v): %w",
			next.Name, next.Version, next.Capabilities, now.Capabilities, graphdriver.ErrIncompatibleFS)
	}
	for _, m := range now.Methods {
		if !next.Has(m) {
			return fmt.Errorf("the new module (%s %s) lacks %s, which the old one has: %w", next.Name, next.Version, m, graphdriver.ErrNotSupported)
		}
	}
	if next.Has(abi.MethodReadFile) != now.Has(abi.MethodReadFile) {
		return fmt.Errorf("the new module (%s %s) keeps content its own way, and what lies in the home is as it is: %w", next.Name, next.Version, graphdriver.ErrIncompatibleFS)
	}
	return nil
}

// probe has a new module work once, on this home.
func (d *Driver) probe(ctx context.Context, next *loaded) error {
	c := calls.New(ctx, d.env, calls.Params{Method: abi.MethodStatus})
	if _, err := c.Finish(next.module.Run(c.Context(), abi.ExportStatus, c)); err != nil {
		return fmt.Errorf("the new module does not work here: %w", err)
	}
	return nil
}
