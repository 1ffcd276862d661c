package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/docker/docker/layer"
	"github.com/moby/sys/user"
	"go.uber.org/zap"

	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	imageinput "github.com/bulkhead/bulkhead/image/input"
	ourlayer "github.com/bulkhead/bulkhead/layer"
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
			{of: binaryName, to: dockerName, wall: 0.3},
			{of: binaryName, to: podmanName},
			{of: inProcessName, to: mobyStoreName},
		},
	}
}

// withStores opens the stores of images and layers for one use.
func (d *drivers) withStores(ctx context.Context, root string, f form, use func(archive.Stores) error) error {
	return d.with(ctx, root, f, func(drv *host.Completed) (err error) {
		layers, err := ourlayer.Open(ctx, ourlayer.Options{Root: root, DriverName: f.driver, Driver: drv, Log: zap.NewNop()})
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

// registers is the part of `docker load` that stores layers, with moby's own
// code built as this program is: overlay2 fills a directory and adds up what
// is in it, SHA-256 and tar-split look on. The daemon would unpack the archive
// to a temporary directory before.
func (s *stack) registers(ctx context.Context, root string, m *meter) error {
	store, err := mobyStore(root)
	if err != nil {
		return err
	}
	var top layer.Layer
	err = m.time(func() error {
		if top, err = registerAll(store, s.layers()); err != nil {
			return err
		}
		return command(ctx, "sync", "-f", root)
	})
	if err != nil {
		return err
	}
	return expect("chain", string(top.ChainID()), string(ourlayer.ChainOf(diffIDs(s.DiffIDs))))
}

func diffIDs(list []string) []ourlayer.DiffID {
	var ids []ourlayer.DiffID
	for _, id := range list {
		ids = append(ids, ourlayer.DiffID(id))
	}
	return ids
}

// mobyStore is moby's layer store over its overlay2.
func mobyStore(root string) (layer.Store, error) {
	store, err := layer.NewStoreFromOptions(layer.StoreOptions{Root: root, GraphDriver: "overlay2", IDMapping: user.IdentityMapping{}})
	if err != nil {
		return nil, err
	}
	// The driver finds out once what it can do, on its first such call.
	drv, err := mobyOverlay(root)
	if err != nil {
		return nil, err
	}
	if err := drv.Create("probe", "", nil); err != nil {
		return nil, err
	}
	if _, err := drv.DiffSize("probe", ""); err != nil {
		return nil, err
	}
	return store, drv.Remove("probe")
}

// registerAll registers layers, the lowest first, and returns the highest.
func registerAll(store layer.Store, paths []string) (top layer.Layer, err error) {
	parent := layer.ChainID("")
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		top, err = store.Register(f, parent)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		parent = top.ChainID()
	}
	return top, nil
}

// dockerLoads has a daemon load the archive; the daemon runs already.
func (s *stack) dockerLoads(ctx context.Context, root string, m *meter) error {
	path, err := s.archive(0)
	if err != nil {
		return err
	}
	return withDockerd(ctx, filepath.Join(root, "docker"), m, func(d *dockerd) error {
		err := m.time(func() error {
			if _, err := d.docker(ctx, "load", "--quiet", "--input", path); err != nil {
				return err
			}
			return command(ctx, "sync", "-f", root)
		})
		if err != nil {
			return err
		}
		got, err := d.docker(ctx, "images", "--quiet", "--no-trunc")
		if err != nil {
			return err
		}
		return expect("images", got, s.id())
	})
}

// podmanLoads has podman load the archive. Its temporary files lie on the same
// file system as everybody's.
func (s *stack) podmanLoads(ctx context.Context, root string, m *meter) (err error) {
	path, err := s.archive(0)
	if err != nil {
		return err
	}
	run, err := os.MkdirTemp("/run", "bulkhead-bench-")
	if err != nil {
		return err
	}
	temp := filepath.Join(root, "tmp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		return err
	}
	podman := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "podman", append([]string{"--root", filepath.Join(root, "podman"), "--runroot", run, "--storage-driver", "overlay"}, args...)...)
		cmd.Env = append(os.Environ(), "TMPDIR="+temp)
		out, err := cmd.Output()
		if err != nil {
			return "", &toolError{"podman", said(err), err}
		}
		return strings.TrimSpace(string(out)), nil
	}
	defer func() {
		err = errors.Join(err, unmountBeneath(root+"/"), unmountBeneath(run), os.RemoveAll(run))
	}()
	if _, err := podman("images", "--quiet"); err != nil { // makes its directories
		return err
	}
	err = m.time(func() error {
		if _, err := podman("load", "--quiet", "--input", path); err != nil {
			return err
		}
		return command(ctx, "sync", "-f", root)
	})
	if err != nil {
		return err
	}
	got, err := podman("images", "--quiet", "--no-trunc")
	if err != nil {
		return err
	}
	return expect("images", got, s.id())
}

// said is what a program that failed wrote.
func said(err error) []byte {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.Stderr
	}
	return nil
}
