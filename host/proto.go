package host

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/confine"
)

// Create implements graphdriver.ProtoDriver.
func (d *Driver) Create(ctx context.Context, id, parent string, opts graphdriver.CreateOptions) error {
	return d.create(ctx, abi.MethodCreate, id, parent, opts)
}

// CreateReadWrite implements graphdriver.ProtoDriver.
func (d *Driver) CreateReadWrite(ctx context.Context, id, parent string, opts graphdriver.CreateOptions) error {
	return d.create(ctx, abi.MethodCreateReadWrite, id, parent, opts)
}

func (d *Driver) create(ctx context.Context, m abi.Method, id, parent string, opts graphdriver.CreateOptions) error {
	unlock, err := d.lock(ctx, id, true, parent)
	if err != nil {
		return err
	}
	defer unlock()
	args := abi.AppendFieldString(nil, abi.FieldID, id)
	if parent != "" {
		args = abi.AppendFieldString(args, abi.FieldParent, parent)
	}
	if opts.MountLabel != "" {
		args = abi.AppendFieldString(args, abi.FieldMountLabel, opts.MountLabel)
	}
	for _, k := range sortedKeys(opts.StorageOpt) {
		args = abi.AppendFieldPair(args, abi.FieldOption, k, opts.StorageOpt[k])
	}
	if len(args) > abi.MaxRecord {
		return fmt.Errorf("create %s: %d bytes of options: %w", id, len(args), graphdriver.ErrInvalid)
	}
	if _, err := d.call(ctx, calls.Params{Method: m, ID: id, Parent: parent, Args: args}); err != nil {
		return err
	}
	now := time.Now()
	return d.notes.setLayer(id, layerNote{Parent: parent, Created: &stamp{Sec: now.Unix(), Nsec: uint32(now.Nanosecond())}})
}

// Remove implements graphdriver.ProtoDriver.
func (d *Driver) Remove(ctx context.Context, id string) error {
	unlock, err := d.lock(ctx, id, true, "")
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := d.call(ctx, calls.Params{Method: abi.MethodRemove, ID: id, Args: idArgs(id)}); err != nil {
		return err
	}
	d.env.Seals.Remove(id)
	return d.notes.dropLayer(id)
}

// Get implements graphdriver.ProtoDriver. Only directories are understood: a
// spec of another kind is ErrNotSupported.
func (d *Driver) Get(ctx context.Context, id, mountLabel string) (string, error) {
	unlock, err := d.lock(ctx, id, false, "")
	if err != nil {
		return "", err
	}
	defer unlock()
	args := idArgs(id)
	if mountLabel != "" {
		args = abi.AppendFieldString(args, abi.FieldMountLabel, mountLabel)
	}
	out, err := d.call(ctx, calls.Params{Method: abi.MethodGet, ID: id, Args: args})
	if err != nil {
		return "", err
	}
	f, err := d.one(out, abi.FieldSpec, abi.MethodGet)
	if err != nil {
		return "", err
	}
	s, ok := f.Spec()
	if !ok {
		return "", d.broken(abi.MethodGet, "a malformed spec")
	}
	if s.Kind != abi.SpecDir {
		return "", fmt.Errorf("driver %s: get %s: spec kind %d is not known to this host: %w", d.cfg.Name, id, s.Kind, graphdriver.ErrNotSupported)
	}
	if len(s.Paths) != 1 || s.Flags != 0 {
		return "", d.broken(abi.MethodGet, "a malformed spec")
	}
	return d.checkedDir(id, s.Paths[0])
}

// checkedDir takes a directory that a driver named as a layer's: it must lie
// in the home and be where the layer's entries went.
func (d *Driver) checkedDir(id, p string) (string, error) {
	clean, err := confine.CleanPath(p)
	if err != nil || clean != p || clean == "." {
		return "", d.broken(abi.MethodGet, fmt.Sprintf("the directory %q", p))
	}
	if err := d.placed(abi.MethodGet, id, clean); err != nil {
		return "", err
	}
	sub, err := d.sub(abi.MethodGet, id, clean)
	if err != nil {
		return "", err
	}
	return d.abs(clean), sub.Close()
}

// Put implements graphdriver.ProtoDriver.
func (d *Driver) Put(ctx context.Context, id string) error {
	unlock, err := d.lock(ctx, id, false, "")
	if err != nil {
		return err
	}
	defer unlock()
	_, err = d.call(ctx, calls.Params{Method: abi.MethodPut, ID: id, Args: idArgs(id)})
	return err
}

// Exists implements graphdriver.ProtoDriver.
func (d *Driver) Exists(ctx context.Context, id string) (bool, error) {
	unlock, err := d.lock(ctx, id, false, "")
	if err != nil {
		return false, err
	}
	defer unlock()
	out, err := d.call(ctx, calls.Params{Method: abi.MethodExists, ID: id, Args: idArgs(id)})
	if err != nil {
		return false, err
	}
	f, err := d.one(out, abi.FieldExists, abi.MethodExists)
	if err != nil {
		return false, err
	}
	n, ok := f.U32()
	if !ok || n > 1 {
		return false, d.broken(abi.MethodExists, "neither yes nor no")
	}
	return n == 1, nil
}

// Status implements graphdriver.ProtoDriver.
func (d *Driver) Status(ctx context.Context) ([]graphdriver.Pair, error) {
	out, err := d.call(ctx, calls.Params{Method: abi.MethodStatus})
	if err != nil {
		return nil, err
	}
	return d.pairs(out, abi.MethodStatus)
}

// GetMetadata implements graphdriver.ProtoDriver.
func (d *Driver) GetMetadata(ctx context.Context, id string) (map[string]string, error) {
	unlock, err := d.lock(ctx, id, false, "")
	if err != nil {
		return nil, err
	}
	defer unlock()
	out, err := d.call(ctx, calls.Params{Method: abi.MethodGetMetadata, ID: id, Args: idArgs(id)})
	if err != nil {
		return nil, err
	}
	pairs, err := d.pairs(out, abi.MethodGetMetadata)
	if err != nil {
		return nil, err
	}
	m := make(map[string]string, len(pairs))
	for _, p := range pairs {
		m[p.Key] = p.Value
	}
	return m, nil
}

// Cleanup implements graphdriver.ProtoDriver.
func (d *Driver) Cleanup(ctx context.Context) error {
	_, err := d.call(ctx, calls.Params{Method: abi.MethodCleanup})
	return err
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
