package container

import (
	"context"
	"errors"
	"fmt"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/layer"
)

// Stores are where images and layers are.
type Stores struct {
	Images *image.Store
	Layers *layer.Store
}

// CreateOptions say what to make a layer of. The zero value makes an empty
// one.
type CreateOptions struct {
	// Image is what the layer is made of, "" for none.
	Image image.ID
	// Parent is the layer beneath if there is no Image, "" for none.
	Parent layer.ChainID
	// MountLabel is an SELinux label, or "".
	MountLabel string
	// StorageOpt are the driver's own options of a layer.
	StorageOpt map[string]string
}

// Create makes a read-write layer of that name and returns it with a
// reference; to release the last one is to remove it. Until then the image is
// in use. After an error nothing stays. Errors: layer.ErrMountNameConflict,
// image.ErrNotFound, and those of layer.Store.CreateRWLayer.
func Create(ctx context.Context, in Stores, name string, opts CreateOptions) (layer.RWLayer, error) {
	if _, err := in.Layers.GetMountID(name); err == nil {
		return nil, fmt.Errorf("create read-write layer %q: %w", name, layer.ErrMountNameConflict)
	}
	parent := opts.Parent
	if opts.Image != "" {
		img, err := in.Images.Get(opts.Image)
		if err != nil {
			return nil, err
		}
		parent = img.ChainID()
	}
	// Noted first: a note without a layer goes with the next layer of that
	// name; a layer without its note could not become an image.
	if err := in.Images.SetContainerImage(ctx, name, opts.Image); err != nil {
		return nil, fmt.Errorf("create read-write layer %q: %w", name, err)
	}
	l, err := in.Layers.CreateRWLayer(ctx, name, parent, layer.CreateRWOptions{MountLabel: opts.MountLabel, StorageOpt: opts.StorageOpt})
	if err != nil {
		return nil, errors.Join(err, in.Images.SetContainerImage(context.WithoutCancel(ctx), name, ""))
	}
	return l, nil
}

// Remove gives a reference back. With the last one the layer is removed, with
// all that was written to it, and so are the layers beneath that nothing else
// keeps; what was removed of those is returned. A layer that is mounted is
// layer.ErrMounted, and the reference is still held.
func Remove(ctx context.Context, in Stores, l layer.RWLayer) ([]layer.Removed, error) {
	removed, err := in.Layers.ReleaseRWLayer(ctx, l)
	if err != nil {
		return removed, err
	}
	if _, err := in.Layers.GetMountID(l.Name()); err == nil {
		return removed, nil // somebody else holds it
	}
	return removed, in.Images.SetContainerImage(context.WithoutCancel(ctx), l.Name(), "")
}
