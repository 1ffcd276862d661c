package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"

	archive "github.com/moby/go-archive"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
)

// applying measures ApplyDiff: an archive on disk becomes a tree.
func applying(d *drivers, in *input) measurement {
	through := func(f form, at string) func(context.Context, string, *meter) error {
		return func(ctx context.Context, root string, m *meter) error {
			return d.with(ctx, root, f, func(drv *host.Completed) error {
				if err := drv.Create(ctx, "layer", "", graphdriver.CreateOptions{}); err != nil {
					return err
				}
				if err := m.time(func() error { return applyTo(ctx, drv, "layer", in.path) }); err != nil {
					return err
				}
				return in.unpacked(filepath.Join(root, "vfs", at))
			})
		}
	}
	return measurement{
		name: "apply-" + in.name, about: "ApplyDiff of " + in.String(), needs: []source{in},
		variants: []variant{
			{name: nativeName, run: through(d.native(), "dir/layer")},
			{name: wasmName, run: through(d.wasm(), "dir/layer")},
			{name: processName, run: through(d.inProcess(), "dir/layer")},
			{name: cName, skip: d.noC, run: through(d.inC(), "layer")},
			{name: mobyName, skip: unlessRoot("only root makes the devices of an image"), run: func(_ context.Context, root string, m *meter) error { return mobyApply(root, in, m) }},
			{name: newestName, skip: d.noNewest, run: func(ctx context.Context, root string, m *meter) error {
				return newestApply(ctx, root, in, m)
			}},
			{name: tarName, run: func(ctx context.Context, root string, m *meter) error {
				if err := m.time(func() error { return untar(ctx, root, in.path) }); err != nil {
					return err
				}
				return in.unpacked(filepath.Join(root, "layer"))
			}},
		},
		goals: []goal{
			{of: wasmName, to: nativeName, wall: 1.10},
			{of: processName, to: wasmName, wall: 1.15},
			{of: cName, to: nativeName, wall: 1.05},
			{of: wasmName, to: mobyName, cpu: 0.35},
			{of: wasmName, to: newestName, cpu: 0.35},
		},
	}
}

const (
	nativeName  = "vfs, native"
	wasmName    = "vfs, wasm"
	processName = "vfs, wasm in processes"
	cName       = "a driver in C, wasm"
	mobyName    = "moby go-archive 0.1.0, of moby 28"
	newestName  = "moby go-archive 0.3.3, of moby's main branch"
	tarName     = "tar -xf"
)

// mobyApply is what moby's drivers do with a layer.
func mobyApply(root string, in *input, m *meter) error {
	dest := filepath.Join(root, "layer")
	if err := os.Mkdir(dest, 0o755); err != nil {
		return err
	}
	f, err := os.Open(in.path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = m.time(func() error {
		_, err := archive.UnpackLayer(dest, bufio.NewReaderSize(f, 256<<10), &archive.TarOptions{})
		return err
	})
	if err != nil {
		return err
	}
	return in.unpacked(dest)
}

// newestGoArchive is built once, in a module of its own.
func newestGoArchive(ctx context.Context, tmp string) error {
	out := goArchiveAt(tmp)
	if _, err := os.Stat(out); err == nil {
		return nil
	}
	return command(ctx, "go", "build", "-C", "goarchive", "-o", out, ".")
}

func goArchiveAt(tmp string) string { return filepath.Join(tmp, "goarchive") }

// newestApply has that program do the same, and takes its word for what it
// took, which leaves its start out.
func newestApply(ctx context.Context, root string, in *input, m *meter) error {
	dest := filepath.Join(root, "layer")
	if err := os.Mkdir(dest, 0o755); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, goArchiveAt(filepath.Dir(in.path)), dest, in.path).Output()
	if err != nil {
		return &toolError{"goarchive", said(err), err}
	}
	m.cost = cost{Crossings: -1}
	if err := json.Unmarshal(out, &m.cost); err != nil {
		return err
	}
	return in.unpacked(dest)
}

// unpacked checks that a directory holds what the archive does. Where this
// process is not root, files beside them say whose they would be.
func (in *input) unpacked(dir string) error {
	got, err := treeAt(dir)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		got.Bytes = min(got.Bytes, in.Bytes)
	}
	return expect("bytes in "+dir, got.Bytes, in.Bytes)
}

// untar unpacks archives one after the other into one directory.
func untar(ctx context.Context, root string, paths ...string) error {
	dest := filepath.Join(root, "layer")
	if err := os.Mkdir(dest, 0o755); err != nil {
		return err
	}
	for _, path := range paths {
		args := []string{"-x", "-f", path, "-C", dest, "--numeric-owner"}
		if os.Geteuid() != 0 {
			args = append(args, "--exclude=dev/*")
		}
		out, err := exec.CommandContext(ctx, "tar", args...).CombinedOutput()
		if err != nil {
			return &toolError{"tar", out, err}
		}
	}
	return nil
}

// toolError is a program that failed, with what it said.
type toolError struct {
	name string
	said []byte
	err  error
}

func (e *toolError) Error() string { return e.name + ": " + e.err.Error() + ": " + string(e.said) }
func (e *toolError) Unwrap() error { return e.err }
