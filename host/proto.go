package host

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/calls"
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
	onto := reading
	if m == abi.MethodCreate && d.Description().Capabilities.DiffIndependentOfParent {
		onto = building
	}
	unlock, err := d.lock(ctx, id, making, parent, onto)
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
	note := layerNote{
		Parent: parent, Created: &stamp{Sec: now.Unix(), Nsec: uint32(now.Nanosecond())},
		ReadWrite: m == abi.MethodCreateReadWrite,
	}
	if note.ReadWrite {
		d.budget.Loosen()
		if note.Base, err = d.firstBase(ctx, id); err != nil {
			return err
		}
	}
	return d.notes.setLayer(id, note)
}

// firstBase is where a new layer lies that nothing will be extracted to, "" if
// the driver does not tell; from now on no other may lie there.
func (d *Driver) firstBase(ctx context.Context, id string) (string, error) {
	if d.Description().Has(abi.MethodReadFile) {
		return "", nil // its content lies where only the driver knows
	}
	base, err := d.base(ctx, id)
	if errors.Is(err, graphdriver.ErrNotSupported) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return base, d.notes.claim(id, base)
}

// Remove implements graphdriver.ProtoDriver.
func (d *Driver) Remove(ctx context.Context, id string) error {
	unlock, err := d.lock(ctx, id, making, "", reading)
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.unmounted(ctx, id); err != nil {
		return err
	}
	if _, err := d.call(ctx, calls.Params{Method: abi.MethodRemove, ID: id, Args: idArgs(id)}); err != nil {
		return err
	}
	d.env.Seals.Remove(id)
	return d.notes.dropLayer(id)
}

// Exists implements graphdriver.ProtoDriver.
func (d *Driver) Exists(ctx context.Context, id string) (bool, error) {
	unlock, err := d.lock(ctx, id, reading, "", reading)
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
	unlock, err := d.lock(ctx, id, reading, "", reading)
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
		m[p.Key] = d.machinePaths(p.Value)
	}
	return m, nil
}

// machinePaths turns paths of the home, as a driver sees it, into the
// machine's.
func (d *Driver) machinePaths(value string) string {
	if !strings.HasPrefix(value, "/") {
		return value
	}
	parts := strings.Split(value, ":")
	for i, p := range parts {
		if strings.HasPrefix(p, "/") {
			parts[i] = filepath.Join(d.cfg.Home, p)
		}
	}
	return strings.Join(parts, ":")
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
