package v1

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/image/internal/durable"
)

// marker says that a root was made here, so that a layer of the driver which
// the graph does not know is a leftover of ours.
const marker = "root made by bulkhead\n"

func (g *Graph) state() string {
	return filepath.Join(g.opts.Root, "bulkhead", g.opts.DriverName, "v1")
}
func (g *Graph) mark() string    { return filepath.Join(g.state(), "ours") }
func (g *Graph) intents() string { return filepath.Join(g.state(), "intents") }

// layerdb is where another store keeps what it has in the same driver.
func (g *Graph) layerdb() string {
	return filepath.Join(g.opts.Root, "image", g.opts.DriverName, "layerdb")
}

// markIfNew marks a root that has neither a graph, nor another store's layers
// of this driver, nor any layer of the driver.
func (g *Graph) markIfNew(ctx context.Context) error {
	if err := durable.MkdirAll(g.intents(), 0o700); err != nil {
		return err
	}
	for _, path := range []string{g.root, g.layerdb()} {
		if _, err := os.Lstat(path); err == nil {
			return nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if d, ok := g.driver.(graphdriver.Enumerator); ok {
		found, err := d.LayersBeside(ctx, func(string) bool { return false })
		if err != nil || len(found) > 0 {
			return err
		}
	}
	return durable.WriteFile(g.mark(), []byte(marker), 0o600)
}

// ours tells whether whatever the driver has is the graph's: the root was
// made here, and no other store has layers of the driver by now.
func (g *Graph) ours() (bool, error) {
	text, err := readRegular(g.mark(), maxNote)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = os.Lstat(g.layerdb())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return err != nil && string(text) == marker, nil
}

// intend notes that a layer is being made or removed. Until forget it is
// removed by the next Open, unless the graph has the image.
func (g *Graph) intend(id string) error {
	return durable.WriteFile(filepath.Join(g.intents(), id), nil, 0o600)
}

func (g *Graph) forget(id string) error {
	return durable.RemoveAll(filepath.Join(g.intents(), id))
}

// finishIntents removes the driver's part of what a crash interrupted.
func (g *Graph) finishIntents(ctx context.Context) error {
	entries, err := os.ReadDir(g.intents())
	if err != nil {
		return err
	}
	for _, e := range entries {
		id := e.Name()
		if ValidateID(id) != nil {
			continue
		}
		_, err := os.Lstat(g.dir(id))
		if errors.Is(err, fs.ErrNotExist) {
			if err := g.driver.Remove(ctx, id); err != nil {
				return fmt.Errorf("remove what a crash left of layer %s: %w", id, err)
			}
		} else if err != nil {
			return err
		}
		if err := g.forget(id); err != nil {
			return err
		}
	}
	return durable.Sweep(g.intents())
}
