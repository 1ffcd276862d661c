package host

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// ProbeLayer implements graphdriver.Prober: the module says what it notes about
// the layer, and what the layer's tree is made of, which is held against what
// the host knows. Where the one tells the other it is not asked twice.
func (d *Driver) ProbeLayer(ctx context.Context, id string) error {
	noted, err := d.GetMetadata(ctx, id)
	if err != nil {
		return err
	}
	unlock, err := d.lock(ctx, id, reading, "", reading)
	if err != nil {
		return err
	}
	defer unlock()
	if told, err := d.tellsStack(ctx, id, noted); told || err != nil {
		return err
	}
	l, err := d.spec(ctx, id, "")
	if err == nil {
		err = l.close()
	}
	return err
}

// The keys by which moby's drivers tell what a layer's tree is made of.
const (
	upperKey = "UpperDir"
	lowerKey = "LowerDir"
)

// tellsStack tells whether what a driver notes about a layer that nothing is
// written to says of which directories its tree is made. An error says that it
// is not of those of which it has to be.
func (d *Driver) tellsStack(ctx context.Context, id string, noted map[string]string) (bool, error) {
	fixed, err := d.fixed(id)
	if err != nil || !fixed || noted[upperKey] == "" || !d.Description().Capabilities.Deltas {
		return false, err
	}
	want, err := d.chain(ctx, id, true)
	if err != nil {
		return false, err
	}
	dirs := []string{noted[upperKey]}
	if noted[lowerKey] != "" {
		dirs = append(dirs, strings.Split(noted[lowerKey], ":")...)
	}
	if len(dirs) != len(want) {
		return true, fmt.Errorf("driver %s: layer %s: %d directories for the %d layers that it is made of: %w", d.cfg.Name, id, len(dirs), len(want), graphdriver.ErrCorrupt)
	}
	for i, dir := range dirs {
		if named := strings.TrimPrefix(dir, filepath.Clean(d.cfg.Home)+"/"); named != want[i].base {
			if err := d.instead(ctx, "layer "+id, named, want[i]); err != nil {
				return true, err
			}
		}
	}
	return true, nil
}

// LayersBeside implements graphdriver.Enumerator. A layer's directory lies in
// the home or in one of its directories, by the layer's id; whether such a name
// is one the module says. What a layer that was looked at before is built on is
// not beside the layers, whoever has forgotten it.
func (d *Driver) LayersBeside(ctx context.Context, known func(id string) bool) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	ask := func(id string) error {
		if !isCacheID(id) || known(id) || seen[id] || d.twins.has(id) {
			return nil
		}
		seen[id] = true
		ok, err := d.Exists(ctx, id)
		if ok {
			out = append(out, id)
		}
		return err
	}
	names, err := d.home.Directories(".")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if isCacheID(name) {
			if err := ask(name); err != nil {
				return nil, err
			}
			continue
		}
		below, err := d.home.Directories(name)
		if err != nil {
			return nil, err
		}
		for _, name := range below {
			if err := ask(name); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// isCacheID accepts what a layer can be called by a store, and not the names
// that drivers keep for themselves.
func isCacheID(name string) bool {
	return len(name) >= 12 && graphdriver.ValidateID(name) == nil
}
