package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	archive "github.com/moby/go-archive"
	"github.com/moby/sys/user"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
)

// twoLayers makes a layer and a child of it in which every hundredth file has
// changed, a few are new and a few are gone.
func twoLayers(d *drivers, in *input) func(ctx context.Context, root string) error {
	return func(ctx context.Context, root string) error {
		return d.with(ctx, root, d.native(), func(drv *host.Completed) error {
			if err := drv.Create(ctx, "base", "", graphdriver.CreateOptions{}); err != nil {
				return err
			}
			if err := applyTo(ctx, drv, "base", in.path); err != nil {
				return err
			}
			if err := drv.Create(ctx, "child", "base", graphdriver.CreateOptions{}); err != nil {
				return err
			}
			return alter(tree(root, "child"))
		})
	}
}

func tree(root, layer string) string { return filepath.Join(root, "vfs", "dir", layer) }

func alter(dir string) error {
	n := 0
	var files []string
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if n++; n%100 == 0 {
				files = append(files, p)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	for i, p := range files {
		switch i % 10 {
		case 0:
			err = os.Remove(p)
		case 1:
			err = os.WriteFile(p+".new", []byte("new"), 0o644)
		default:
			err = os.WriteFile(p, []byte(fmt.Sprintf("changed %d", i)), 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// changing measures Changes: a layer against its parent.
func changing(d *drivers, in *input) measurement {
	through := func(compile host.Compile) func(context.Context, string, *meter) error {
		return func(ctx context.Context, root string, m *meter) error {
			return d.with(ctx, root, compile, func(drv *host.Completed) error {
				if _, err := drv.Exists(ctx, "child"); err != nil {
					return err
				}
				return m.again(func() error {
					cs, err := drv.Changes(ctx, "child", "base")
					return some(len(cs), err)
				})
			})
		}
	}
	return measurement{
		name: "changes-" + in.name, about: "Changes of a child, 1 % altered, against " + in.String(),
		shared: twoLayers(d, in),
		variants: []variant{
			{name: nativeName, run: through(d.native())},
			{name: wasmName, run: through(d.wasm())},
			{name: mobyName, run: func(_ context.Context, root string, m *meter) error {
				return m.again(func() error {
					cs, err := archive.ChangesDirs(tree(root, "child"), tree(root, "base"))
					return some(len(cs), err)
				})
			}},
		},
		goals: []goal{{of: wasmName, to: nativeName, wall: 1.10}},
	}
}

// diffing measures Diff: a tree becomes an archive.
func diffing(d *drivers, in *input) measurement {
	through := func(compile host.Compile) func(context.Context, string, *meter) error {
		return func(ctx context.Context, root string, m *meter) error {
			return d.with(ctx, root, compile, func(drv *host.Completed) error {
				if _, err := drv.Exists(ctx, "base"); err != nil {
					return err
				}
				return m.again(func() error {
					r, err := drv.Diff(ctx, "base", "")
					return drained(r, err)
				})
			})
		}
	}
	return measurement{
		name: "diff-" + in.name, about: "Diff of a whole layer, " + in.String(),
		shared: twoLayers(d, in),
		variants: []variant{
			{name: nativeName, run: through(d.native())},
			{name: wasmName, run: through(d.wasm())},
			{name: mobyName, run: func(_ context.Context, root string, m *meter) error {
				return m.again(func() error {
					cs, err := archive.ChangesDirs(tree(root, "base"), "")
					if err != nil {
						return err
					}
					return drained(archive.ExportChanges(tree(root, "base"), cs, user.IdentityMapping{}))
				})
			}},
		},
		goals: []goal{{of: wasmName, to: nativeName, wall: 1.10}},
	}
}

func some(n int, err error) error {
	if err == nil && n == 0 {
		err = fmt.Errorf("nothing was found to have changed")
	}
	return err
}

func drained(r io.ReadCloser, err error) error {
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	return err
}
