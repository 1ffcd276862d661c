package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/blobs"
	"github.com/bulkhead/bulkhead/image/refs"
	"github.com/bulkhead/bulkhead/image/registry"
	"github.com/bulkhead/bulkhead/image/repair"
)

// repair is check --repair.
func (a *app) repair(cmd *cobra.Command, names []string, quick bool, from, format string) error {
	ctx := cmd.Context()
	source, done, err := a.source(ctx, from)
	if err != nil {
		return err
	}
	defer done()
	return a.with(ctx, mend, func(o *opened) error {
		ids, err := chosen(o.Images, names)
		if err != nil {
			return err
		}
		in := repair.Stores{
			Layers: o.Layers,
			Images: func(ctx context.Context) (*image.Store, error) { return a.openImages(ctx, o, mend) },
			Finish: func(ctx context.Context) error { return a.finish(ctx, o) },
		}
		var all []any
		left, err := repair.Run(ctx, in, repair.Options{Quick: quick, Images: ids, Source: source, Ours: !isDockers(a.cfg.Root)}, func(r repair.Result) error {
			if format == "" {
				a.showResult(r)
			}
			all = append(all, r)
			return nil
		})
		err = a.showAll(format, all, len(all) > 0, err)
		if left > 0 {
			err = errors.Join(err, findings(left))
		}
		return err
	})
}

func (a *app) showResult(r repair.Result) {
	fmt.Fprintf(a.out, "%s: %s\n  what: %s\n", r.Kind, r.Path, r.What)
	for _, did := range r.Done {
		fmt.Fprintf(a.out, "  done: %s\n", did)
	}
	if r.Left != "" {
		fmt.Fprintf(a.out, "  left: %s\n  why it matters: %s\n  what to do: %s\n", r.Left, r.Why, r.Do)
	}
}

// registryPrefix marks what is in a registry and not in a file.
const registryPrefix = "docker://"

// source opens what a repair takes from: a root of images and layers, an
// archive, or an image in a registry.
func (a *app) source(ctx context.Context, from string) (repair.Source, func(), error) {
	if from == "" {
		return nil, func() {}, nil
	}
	if name, ok := strings.CutPrefix(from, registryPrefix); ok {
		return a.sourceRegistry(ctx, name)
	}
	if fi, err := os.Stat(filepath.Join(from, "image")); err == nil && fi.IsDir() {
		return a.sourceRoot(ctx, from)
	}
	in, err := a.openArchive(ctx, from)
	if err != nil {
		return nil, nil, err
	}
	s, err := archive.NewSource(in, archive.LoadOptions{Limits: a.archiveLimits()})
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("--from %s: %w", from, err), in.Close())
	}
	return s, func() { in.Close() }, nil
}

// sourceRegistry takes from a registry what is asked for, and nothing before.
func (a *app) sourceRegistry(ctx context.Context, name string) (repair.Source, func(), error) {
	ref, err := refs.Parse(name)
	if err != nil {
		return nil, nil, fmt.Errorf("--from %s%s: %w", registryPrefix, name, err)
	}
	src, err := registry.Open(ctx, ref, blobs.Of(a.cfg.Root), a.registryOptions())
	if err != nil {
		return nil, nil, fmt.Errorf("--from %s%s: %w", registryPrefix, name, err)
	}
	s, err := archive.NewSource(src, src.LoadOptions(archive.LoadOptions{Limits: a.archiveLimits()}))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("--from %s%s: %w", registryPrefix, name, err), src.Close())
	}
	return s, func() {
		src.Spent() // mended or not, it is not gone on with
		src.Close()
	}, nil
}

func (a *app) sourceRoot(ctx context.Context, from string) (repair.Source, func(), error) {
	other := *a
	cfg := *a.cfg
	cfg.Root, cfg.Driver = from, ""
	other.cfg = &cfg
	if same(from, a.cfg.Root) {
		return nil, nil, fmt.Errorf("--from %s is the root that is to be mended", from)
	}
	o, err := other.open(ctx, examine)
	if err != nil {
		return nil, nil, fmt.Errorf("--from %s: %w", from, err)
	}
	return archive.FromStores{Stores: o.Stores}, func() { o.Close(ctx) }, nil
}

func same(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// isDockers reports whether a Docker has kept more than images and layers
// beneath a root.
func isDockers(root string) bool {
	for _, name := range []string{"volumes", "containers", "buildkit", "engine-id"} {
		if _, err := os.Lstat(filepath.Join(root, name)); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}
