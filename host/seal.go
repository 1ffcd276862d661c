package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/confine"
)

// Seal implements graphdriver.Sealer. Where the host has no record of a
// layer's base it asks the module. One that cannot be sealed keeps the others
// from nothing: a damaged store goes on without it.
func (d *Driver) Seal(ctx context.Context, ids ...string) error {
	if d.cfg.ReadOnly {
		return nil // nothing can be written at all
	}
	var errs []error
	for _, id := range ids {
		if err := d.seal(ctx, id); err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

func (d *Driver) seal(ctx context.Context, id string) error {
	if err := graphdriver.ValidateID(id); err != nil {
		return err
	}
	note, err := d.notes.layer(id)
	if err != nil {
		return err
	}
	if note.Base == "" && !d.Description().Has(abi.MethodReadFile) {
		if note.Base, err = d.base(ctx, id); err != nil {
			return err
		}
		if err := d.notes.setLayer(id, note); err != nil {
			return err
		}
	}
	if note.Base == "" {
		return nil // its content lies where only the driver knows
	}
	if _, err := confine.CleanPath(note.Base); err != nil {
		return err
	}
	if err := d.notes.claim(id, note.Base); err != nil {
		return fmt.Errorf("driver %s: seal: %w", d.cfg.Name, err)
	}
	if err := d.env.Seals.Add(ctx, note.Base, id); err != nil {
		return fmt.Errorf("driver %s: seal %s: %w", d.cfg.Name, id, err)
	}
	return nil
}

// SyncLayers implements graphdriver.Syncer: one sync of the home's file system
// covers whatever was written there.
func (d *Driver) SyncLayers(context.Context, ...string) error { return d.home.Sync() }
