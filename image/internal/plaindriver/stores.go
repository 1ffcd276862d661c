package plaindriver

import (
	"context"
	"os"
	"path/filepath"

	"github.com/bulkhead/bulkhead/layer"
)

// Name is the driver's name, and so that of its directories.
const Name = "plain"

// OpenLayers opens a layer store with this driver beneath root.
func OpenLayers(ctx context.Context, root string, step func(string)) (*layer.Store, error) {
	home := filepath.Join(root, Name)
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	return layer.Open(ctx, layer.Options{Root: root, DriverName: Name, Driver: Driver{Home: home}, Step: step})
}
