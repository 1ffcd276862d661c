package main

import (
	"context"
	"errors"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	imageinput "github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/layer"
)

const (
	inProcessName   = "the same in process"
	inProcessNative = "the same in process, native"
	dockerName      = "docker load; sync -f"
	podmanName      = "podman load; sync -f"
	mobyStoreName   = "moby layer store; sync -f"
)

// loadingOverlay measures a load of a whole image onto overlay2. All read the
// same layers, uncompressed; all but tar from one archive, or as if. What is
// not durable by itself is followed by a sync, which counts.
func loadingOverlay(d *drivers, s *stack, bin string) measurement {
	load := func(f form) func(context.Context, string, *meter) error {
		return func(ctx context.Context, root string, m *meter) error {
			path, err := s.archive(0)
			if err != nil {
				return err
			}
			return d.withStores(ctx, root, f, func(stores archive.Stores) error {
				var got string
				err := m.time(func() (err error) {
					got, err = loadInto(ctx, stores, path)
					return err
				})
				if err != nil {
					return err
				}
				return expect("image", got, s.id())
			})
		}
	}
	return measurement{
		name: "load-overlay-" + s.name, about: "a whole image onto overlay2, " + s.String(), needs: []source{s}, skip: needsRoot(),
		variants: []variant{
			{name: tarSyncName, run: func(ctx context.Context, root string, m *meter) error { return s.untars(ctx, root, m) }},
			{name: binaryName, skip: missing(bin), run: func(ctx context.Context, root string, m *meter) error {
				path, err := s.archive(0)
				if err != nil {
					return err
				}
				return program{bin, root, "overlay2", s.dir}.loads(ctx, path, s.id(), m)
			}},
			{name: inProcessName, run: load(d.overlayWasm())},
			{name: inProcessNative, run: load(d.overlayNative())},
			{name: mobyStoreName, run: func(ctx context.Context, root string, m *meter) error { return s.registers(ctx, root, m) }},
			{name: dockerName, skip: missing("dockerd"), run: func(ctx context.Context, root string, m *meter) error { return s.dockerLoads(ctx, root, m) }},
			{name: podmanName, skip: missing("podman"), run: func(ctx context.Context, root string, m *meter) error { return s.podmanLoads(ctx, root, m) }},
		},
		goals: []goal{
			{of: binaryName, to: tarSyncName, wall: 1.2},
			{of: inProcessName, to: tarSyncName, wall: 1.2},
			{of: binaryName, to: dockerName, wall: 0.3, cpu: told},
			{of: binaryName, to: podmanName},
			{of: inProcessName, to: mobyStoreName},
		},
	}
}

// withStores opens the stores of images and layers for one use.
func (d *drivers) withStores(ctx context.Context, root string, f form, use func(archive.Stores) error) error {
	return d.with(ctx, root, f, func(drv *host.Completed) (err error) {
		layers, err := layer.Open(ctx, layer.Options{Root: root, DriverName: f.driver, Driver: drv, Log: zap.NewNop()})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, layers.Close()) }()
		images, err := image.Open(ctx, image.Options{Root: root, DriverName: f.driver, Layers: layers, Log: zap.NewNop()})
		if err != nil {
			return err
		}
		return use(archive.Stores{Images: images, Layers: layers})
	})
}

// loadInto loads an archive of one image and returns the image's ID.
func loadInto(ctx context.Context, stores archive.Stores, path string) (id string, err error) {
	in, err := imageinput.Open(ctx, path, imageinput.Options{})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	loaded, err := archive.Load(ctx, stores, in, archive.LoadOptions{})
	if err != nil {
		return "", err
	}
	return string(loaded[0].ID), expect("images in the archive", len(loaded), 1)
}

// untars unpacks all layers into one directory.
func (s *stack) untars(ctx context.Context, root string, m *meter) error {
	err := m.time(func() error {
		if err := untar(ctx, root, s.layers()...); err != nil {
			return err
		}
		return command(ctx, "sync", "-f", root)
	})
	if err != nil {
		return err
	}
	got, err := treeAt(filepath.Join(root, "layer"))
	if err != nil {
		return err
	}
	return expect("names unpacked", got.Names, s.Names)
}
