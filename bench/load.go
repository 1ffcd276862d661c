package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
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
				return registering(ctx, store, in.path, durable, m)
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
		name: "load-" + in.name, about: "a one-layer image, " + in.String(),
		variants: append(v, binary(in, bin)),
		goals: []goal{
			{of: registerName, to: tarSyncName, wall: 2.0},
			{of: registerNoSync, to: tarName},
			{of: binaryName, to: tarSyncName, wall: 2.0},
		},
	}
}

func registering(ctx context.Context, store *layer.Store, path string, durable bool, m *meter) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if durable {
		return m.time(func() error {
			_, err := store.Register(ctx, f, "", layer.RegisterOptions{})
			return err
		})
	}
	ses, err := store.NewSession(ctx)
	if err != nil {
		return err
	}
	err = m.time(func() error {
		_, err := ses.Register(ctx, f, "", layer.RegisterOptions{})
		return err
	})
	return errors.Join(err, ses.Close(ctx))
}

const binaryName = "bulkhead image load"

// binary is the program itself: a process that starts, compiles or loads the
// driver, and reads the layer out of an image archive.
func binary(in *input, bin string) variant {
	v := variant{name: binaryName}
	if _, err := os.Stat(bin); err != nil {
		v.skip = bin + " is not built"
		return v
	}
	v.run = func(ctx context.Context, root string, m *meter) error {
		image, err := oneLayerImage(in, filepath.Dir(in.path))
		if err != nil {
			return err
		}
		cache := filepath.Join(filepath.Dir(in.path), "cache")
		return m.time(func() error {
			cmd := exec.CommandContext(ctx, bin, "--root", root, "image", "load", "--quiet", "--input", image)
			cmd.Env = append(os.Environ(), "BULKHEAD_CACHE_DIR="+cache)
			if out, err := cmd.CombinedOutput(); err != nil {
				return &toolError{bin, out, err}
			}
			return nil
		})
	}
	return v
}
