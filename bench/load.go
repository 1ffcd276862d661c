package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/layer"
)

const (
	registerName   = "register, durable"
	registerNoSync = "register, no sync"
	tarSyncName    = "tar -xf; sync -f"
)

// loading measures a layer on its whole way into the store: parsed, hashed,
// its tar-split data packed, made durable.
func loading(d *drivers, in *input, bin string) measurement {
	register := func(durable bool) func(context.Context, string, *meter) error {
		return func(ctx context.Context, root string, m *meter) error {
			return d.with(ctx, root, d.wasm(), func(drv *host.Completed) error {
				store, err := layer.Open(ctx, layer.Options{Root: root, DriverName: "vfs", Driver: drv, Log: zap.NewNop()})
				if err != nil {
					return err
				}
				return errors.Join(registering(ctx, store, in, durable, m), store.Close())
			})
		}
	}
	v := []variant{
		{name: tarSyncName, run: func(ctx context.Context, root string, m *meter) error {
			return m.time(func() error {
				if err := untar(ctx, root, in.path); err != nil {
					return err
				}
				return command(ctx, "sync", "-f", root)
			})
		}},
		{name: registerName, run: register(true)},
		{name: tarName, run: func(ctx context.Context, root string, m *meter) error {
			return m.time(func() error { return untar(ctx, root, in.path) })
		}},
		{name: registerNoSync, run: register(false)},
	}
	return measurement{
		name: "load-" + in.name, about: "a one-layer image on vfs, " + in.String(), needs: []source{in},
		variants: append(v, variant{name: binaryName, skip: missing(bin), run: func(ctx context.Context, root string, m *meter) error {
			archive, id, err := oneLayerImage(in, filepath.Dir(in.path))
			if err != nil {
				return err
			}
			return program{bin, root, "vfs", filepath.Dir(in.path)}.loads(ctx, archive, id, m)
		}}),
		goals: []goal{
			{of: registerName, to: tarSyncName, wall: 2.0},
			{of: registerNoSync, to: tarName},
			{of: binaryName, to: tarSyncName, wall: 2.0},
		},
	}
}

func registering(ctx context.Context, store *layer.Store, in *input, durable bool, m *meter) error {
	f, err := os.Open(in.path)
	if err != nil {
		return err
	}
	defer f.Close()
	var l layer.Layer
	check := func() error { return expect("bytes in the layer", l.DiffSize(), in.Bytes) }
	if durable {
		err := m.time(func() error {
			l, err = store.Register(ctx, f, "", layer.RegisterOptions{})
			return err
		})
		if err != nil {
			return err
		}
		return check()
	}
	ses, err := store.NewSession(ctx)
	if err != nil {
		return err
	}
	err = m.time(func() error {
		l, err = ses.Register(ctx, f, "", layer.RegisterOptions{})
		return err
	})
	if err == nil {
		err = check()
	}
	return errors.Join(err, ses.Close(ctx))
}
