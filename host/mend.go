package host

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/confine"
	"github.com/bulkhead/bulkhead/host/mount"
)

// MendLayer implements graphdriver.Mender. The host's own note is believed if
// it can be read, else it goes: it is a hint.
func (d *Driver) MendLayer(ctx context.Context, id, parent string) error {
	if _, err := d.notes.layer(id); errors.Is(err, graphdriver.ErrCorrupt) {
		if err := d.notes.drop("layer-" + id); err != nil {
			return err
		}
	}
	if err := d.repair(ctx, id, parent); err != nil {
		return err
	}
	ok, err := d.Exists(ctx, id)
	if ok || err != nil {
		return err
	}
	return d.Create(ctx, id, parent, graphdriver.CreateOptions{})
}

// repair asks the module, if it has the method. What is left of a committed
// layer stays sealed; where what was sealed is gone the seal is in the way.
func (d *Driver) repair(ctx context.Context, id, parent string) error {
	unlock, err := d.lock(ctx, id, making, parent, reading)
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.Idle(ctx, id); err != nil {
		return err
	}
	gone, err := d.baseGone(id)
	if err != nil {
		return err
	}
	if gone {
		d.env.Seals.Remove(id)
	}
	if !d.Description().Has(abi.MethodRepair) {
		return nil
	}
	args := idArgs(id)
	if parent != "" {
		args = abi.AppendFieldString(args, abi.FieldParent, parent)
	}
	_, err = d.call(ctx, calls.Params{Method: abi.MethodRepair, ID: id, Parent: parent, Args: args})
	return err
}

// baseGone tells whether a layer no longer has the directory where its entries
// were put, or is not known to have had one.
func (d *Driver) baseGone(id string) (bool, error) {
	note, err := d.notes.layer(id)
	if err != nil || note.Base == "" {
		return err == nil, err
	}
	dir, err := d.home.Sub(note.Base, confine.NoLinks)
	if err != nil {
		return true, nil
	}
	return false, dir.Close()
}

// ExchangeTrees implements graphdriver.Mender.
func (d *Driver) ExchangeTrees(ctx context.Context, id, other string, keepTime bool) error {
	first, second := min(id, other), max(id, other)
	unlock, err := d.lock(ctx, first, making, "", reading)
	if err != nil {
		return err
	}
	defer unlock()
	unlock, err = d.lock(ctx, second, making, "", reading)
	if err != nil {
		return err
	}
	defer unlock()
	var bases []string
	for _, id := range []string{id, other} {
		if err := d.Idle(ctx, id); err != nil {
			return err
		}
		if d.Description().Has(abi.MethodReadFile) {
			return fmt.Errorf("driver %s: only it knows where the files of a layer lie: %w", d.cfg.Name, graphdriver.ErrNotSupported)
		}
		base, err := d.base(ctx, id)
		if err != nil {
			return err
		}
		dir, err := d.sub(abi.MethodDiffGetter, id, base)
		if err != nil {
			return err
		}
		if err := dir.Close(); err != nil {
			return err
		}
		bases = append(bases, base)
	}
	if keepTime {
		st, err := d.home.Lstat(bases[0], confine.NoLinks)
		if err != nil {
			return err
		}
		mtime := confine.Time{Sec: st.Mtim.Sec, Nsec: st.Mtim.Nsec}
		if err := d.home.Lutimes(bases[1], nil, &mtime, confine.NoLinks); err != nil {
			return err
		}
	}
	if err := d.home.Exchange(bases[0], bases[1], confine.NoLinks); err != nil {
		return fmt.Errorf("driver %s: %w", d.cfg.Name, err)
	}
	return d.home.Sync()
}

// Idle implements graphdriver.Mender. Docker mounts the layers of containers
// at places of the home.
func (d *Driver) Idle(ctx context.Context, ids ...string) error {
	for _, id := range ids {
		if err := d.unmounted(ctx, id); err != nil {
			return err
		}
	}
	table, err := mount.ReadTable()
	if err != nil {
		return err
	}
	home := d.cfg.Home
	if real, err := filepath.EvalSymlinks(home); err == nil {
		home = real
	}
	for _, e := range table {
		below, ok := strings.CutPrefix(e.Target, home+"/")
		if !ok {
			continue
		}
		for part := range strings.SplitSeq(below, "/") {
			if slices.Contains(ids, part) {
				return fmt.Errorf("driver %s: layer %s is mounted at %s; unmount it first: %w", d.cfg.Name, part, e.Target, graphdriver.ErrBusy)
			}
		}
	}
	return nil
}
