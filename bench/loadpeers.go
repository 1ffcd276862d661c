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

	ourlayer "github.com/bulkhead/bulkhead/layer"
)

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
