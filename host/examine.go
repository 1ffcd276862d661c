package host

import (
	"context"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// ProbeLayer implements graphdriver.Prober: the module says what the layer's
// tree is made of, which is held against what the host knows, and what it
// notes about the layer.
func (d *Driver) ProbeLayer(ctx context.Context, id string) error {
	unlock, err := d.lock(ctx, id, reading, "", reading)
	if err != nil {
		return err
	}
	l, err := d.spec(ctx, id, "")
	if err == nil {
		err = l.close()
	}
	unlock()
	if err != nil {
		return err
	}
	_, err = d.GetMetadata(ctx, id)
	return err
}

// LayersBeside implements graphdriver.Enumerator. A layer's directory lies in
// the home or in one of its directories, by the layer's id; whether such a name
// is one the module says.
func (d *Driver) LayersBeside(ctx context.Context, known func(id string) bool) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	ask := func(id string) error {
		if !isCacheID(id) || known(id) || seen[id] {
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
