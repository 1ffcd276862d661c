package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/mount"
)

// held are the mounts that Get made in this process, by layer.
type held struct {
	mu     sync.Mutex
	layers map[string]*heldMount
}

type heldMount struct {
	mu      sync.Mutex // held while it is made or taken away
	count   int
	mounted *mount.Mounted
}

// of returns a layer's entry, locked.
func (h *held) of(id string) *heldMount {
	h.mu.Lock()
	if h.layers == nil {
		h.layers = map[string]*heldMount{}
	}
	m := h.layers[id]
	if m == nil {
		m = &heldMount{}
		h.layers[id] = m
	}
	h.mu.Unlock()
	m.mu.Lock()
	return m
}

// Get implements graphdriver.ProtoDriver. What the driver says is checked
// before it is believed; an overlay is mounted in the run directory, for as
// long as this process lives at most.
func (d *Driver) Get(ctx context.Context, id, mountLabel string) (string, error) {
	unlock, err := d.lock(ctx, id, reading, "", reading)
	if err != nil {
		return "", err
	}
	defer unlock()
	m := d.held.of(id)
	defer m.mu.Unlock()
	if m.count > 0 {
		m.count++
		return m.mounted.Target, nil
	}
	l, err := d.spec(ctx, id, mountLabel)
	if err != nil {
		return "", err
	}
	defer l.close()
	if err := d.givesAway(id); err != nil {
		return "", err
	}
	if l.kind == abi.SpecDir {
		return d.abs(l.dir), nil
	}
	if m.mounted, err = d.mount(ctx, id, l, mountLabel, "", true); err != nil {
		return "", err
	}
	m.count = 1
	return m.mounted.Target, nil
}

func (d *Driver) mount(ctx context.Context, id string, l *live, label, on string, temporary bool) (*mount.Mounted, error) {
	if d.cfg.Mounts == nil {
		return nil, fmt.Errorf("driver %s: get %s: nothing can be mounted here: %w", d.cfg.Name, id, graphdriver.ErrNotSupported)
	}
	fixed, err := d.fixed(id)
	if err != nil {
		return nil, err
	}
	spec, done, err := l.mountSpec(label, fixed)
	if err != nil {
		return nil, err
	}
	defer done()
	return d.cfg.Mounts.Mount(ctx, spec, mount.Options{Key: d.mountKey(id), On: on, Temporary: temporary})
}

func (d *Driver) mountKey(id string) string { return d.cfg.Name + "/" + id }

// Put implements graphdriver.ProtoDriver.
func (d *Driver) Put(ctx context.Context, id string) error {
	unlock, err := d.lock(ctx, id, reading, "", reading)
	if err != nil {
		return err
	}
	defer unlock()
	m := d.held.of(id)
	defer m.mu.Unlock()
	if m.count > 1 {
		m.count--
		return nil
	}
	if m.count == 1 {
		if err := m.mounted.Unmount(ctx, false); err != nil && !errors.Is(err, mount.ErrNotMounted) {
			return err
		}
		m.count, m.mounted = 0, nil
	}
	_, err = d.call(ctx, calls.Params{Method: abi.MethodPut, ID: id, Args: idArgs(id)})
	return err
}

// MountAt implements graphdriver.Mounter.
func (d *Driver) MountAt(ctx context.Context, id, mountLabel, target string) (graphdriver.Mount, error) {
	unlock, err := d.lock(ctx, id, reading, "", reading)
	if err != nil {
		return graphdriver.Mount{}, err
	}
	defer unlock()
	l, err := d.spec(ctx, id, mountLabel)
	if err != nil {
		return graphdriver.Mount{}, err
	}
	defer l.close()
	if err := d.givesAway(id); err != nil {
		return graphdriver.Mount{}, err
	}
	m, err := d.mount(ctx, id, l, mountLabel, target, false)
	if err != nil {
		return graphdriver.Mount{}, err
	}
	return graphdriver.Mount{ID: id, Target: m.Target, ReadWrite: m.ReadWrite}, nil
}

// UnmountAt implements graphdriver.Mounter.
func (d *Driver) UnmountAt(ctx context.Context, target string, lazy bool) error {
	if d.cfg.Mounts == nil {
		return fmt.Errorf("driver %s: nothing is mounted here: %w", d.cfg.Name, graphdriver.ErrNotSupported)
	}
	return d.cfg.Mounts.Unmount(ctx, target, lazy)
}

// Mounts implements graphdriver.Mounter.
func (d *Driver) Mounts(ctx context.Context) ([]graphdriver.Mount, error) {
	if d.cfg.Mounts == nil {
		return nil, nil
	}
	records, err := d.cfg.Mounts.List(ctx)
	if err != nil {
		return nil, err
	}
	var out []graphdriver.Mount
	for _, r := range records {
		if id, ours := strings.CutPrefix(r.Key, d.cfg.Name+"/"); ours {
			out = append(out, graphdriver.Mount{ID: id, Target: r.Target, ReadWrite: r.ReadWrite, Temporary: r.Temporary})
		}
	}
	return out, nil
}

// cleanMounts takes away what processes left mounted that have died. What
// cannot be taken away stands in nobody's way yet, so it is only told.
func (d *Driver) cleanMounts(ctx context.Context) {
	if d.cfg.Mounts == nil {
		return
	}
	taken, err := d.cfg.Mounts.Clean(ctx)
	for _, m := range taken {
		d.cfg.Log.Info("unmounted what a process left when it died", zap.String("layer", m.Key), zap.String("target", m.Target), zap.Int("process", m.Maker))
	}
	if err != nil {
		d.cfg.Log.Warn("mounts that processes left when they died stay", zap.Error(err))
	}
}

// unmounted refuses to go on with a layer that is mounted.
func (d *Driver) unmounted(ctx context.Context, id string) error {
	if d.cfg.Mounts == nil {
		return nil
	}
	n, err := d.cfg.Mounts.Live(ctx, d.mountKey(id))
	if err == nil && n > 0 {
		err = fmt.Errorf("driver %s: layer %s is mounted; unmount it first: %w", d.cfg.Name, id, graphdriver.ErrBusy)
	}
	return err
}

// putAll takes away what Get left mounted.
func (d *Driver) putAll(ctx context.Context) error {
	d.held.mu.Lock()
	defer d.held.mu.Unlock()
	var errs []error
	for _, m := range d.held.layers {
		m.mu.Lock()
		if m.count > 0 {
			err := m.mounted.Unmount(ctx, true)
			if !errors.Is(err, mount.ErrNotMounted) {
				errs = append(errs, err)
			}
			m.count, m.mounted = 0, nil
		}
		m.mu.Unlock()
	}
	return errors.Join(errs...)
}
