package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/cmd/host/render"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/container"
	"github.com/bulkhead/bulkhead/layer"
)

// findContainer is the container's layer of that name, nil if there is none.
func findContainer(s *layer.Store, name string) layer.RWLayer {
	for _, l := range s.RWLayers() {
		if l.Name() == name {
			return l
		}
	}
	return nil
}

func (o *opened) forContainers() container.Stores {
	return container.Stores{Images: o.Images, Layers: o.Layers}
}

func (a *app) layerCreate() *cobra.Command {
	var parent string
	var storage []string
	var opts container.CreateOptions
	cmd := &cobra.Command{
		Use:   "create [--parent IMAGE|LAYER] NAME",
		Short: "Make a layer that can be written to, as a container has one",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) (err error) {
			if err := graphdriver.ValidateID(names[0]); err != nil {
				return usage(cmd, err)
			}
			if opts.StorageOpt, err = storageOptions(storage); err != nil {
				return usage(cmd, err)
			}
			ctx := cmd.Context()
			return a.with(ctx, write, func(o *opened) error {
				if parent != "" {
					if opts.Image, opts.Parent, err = findParent(o, parent); err != nil {
						return err
					}
				}
				l, err := container.Create(ctx, o.forContainers(), names[0], opts)
				if err == nil {
					fmt.Fprintln(a.out, l.Name())
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&parent, "parent", "", "image, or layer, that it lies on (default: none)")
	cmd.Flags().StringArrayVar(&storage, "storage-opt", nil, "KEY=VALUE, an option of the driver")
	cmd.Flags().StringVar(&opts.MountLabel, "label", "", "SELinux label of its files")
	return cmd
}

func storageOptions(given []string) (map[string]string, error) {
	all := map[string]string{}
	for _, o := range given {
		key, value, ok := strings.Cut(o, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("storage option %q is not KEY=VALUE", o)
		}
		all[key] = value
	}
	return all, nil
}

// findParent finds the image or else the layer of that name.
func findParent(o *opened, name string) (img image.ID, chain layer.ChainID, err error) {
	found, err := things(o, name)
	if err != nil {
		return "", "", err
	}
	for _, t := range found {
		switch t.kind {
		case "image":
			img, err = o.Images.Resolve(name)
			return img, "", err
		case "layer":
			chain, err = findLayer(o.Layers, name)
			return "", chain, err
		}
	}
	return "", "", fmt.Errorf("%s is a container's layer: make an image of it (layer commit) to make others from", name)
}

// listContainers lists containers' layers, Docker's too.
func (a *app) listContainers(ctx context.Context, format string, full, quiet bool) error {
	return a.with(ctx, read, func(o *opened) error {
		mounted, err := mountTargets(ctx, o)
		if err != nil {
			return err
		}
		var rows []render.Row
		var errs []error
		for _, l := range o.Layers.RWLayers() {
			row := render.Row{"Name": l.Name(), "Parent": "", "Image": "", "Size": "", "Mounted": strings.Join(mounted[l.MountID()], ","), "ID": l.MountID()}
			if !full && len(l.Name()) == 64 {
				row["Name"] = l.Name()[:12]
			}
			if p := l.Parent(); p != nil {
				row["Parent"] = shortID(p.ChainID().String(), full)
			}
			id, err := o.Images.ContainerImage(l.Name())
			errs = append(errs, err)
			row["Image"] = shortID(id.String(), full)
			if !quiet {
				size, err := l.Size(ctx)
				if err != nil {
					errs = append(errs, fmt.Errorf("size of %s: %w", l.Name(), err))
				} else {
					row["Size"] = render.Size(size)
				}
			}
			rows = append(rows, row)
		}
		table := render.Table{
			Fields: []string{"Name", "Image", "Parent", "Size", "Mounted"},
			Headers: map[string]string{
				"Name": "NAME", "Image": "IMAGE ID", "Parent": "PARENT", "Size": "SIZE", "Mounted": "MOUNTED ON", "ID": "ID",
			},
		}
		if quiet {
			err = a.column(rows, "Name")
		} else {
			err = table.Write(a.out, format, rows)
		}
		return errors.Join(append(append([]error{err}, errs...), o.Layers.Broken()...)...)
	})
}

// mountTargets maps the driver's layers to where they are mounted.
func mountTargets(ctx context.Context, o *opened) (map[string][]string, error) {
	on := map[string][]string{}
	driver, ok := o.Layers.Driver().(graphdriver.Mounter)
	if !ok {
		return on, nil
	}
	mounts, err := driver.Mounts(ctx)
	for _, m := range mounts {
		on[m.ID] = append(on[m.ID], m.Target)
	}
	return on, err
}

func (a *app) layerChanges() *cobra.Command {
	return &cobra.Command{
		Use:   "changes NAME|LAYER",
		Short: "List what a layer adds (A), changes (C) and deletes (D)",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			return a.with(ctx, read, func(o *opened) error {
				changes, err := changesOf(ctx, o.Layers, names[0])
				for _, c := range changes {
					fmt.Fprintln(a.out, c)
				}
				return err
			})
		},
	}
}

func changesOf(ctx context.Context, layers *layer.Store, name string) ([]graphdriver.Change, error) {
	if rw := findContainer(layers, name); rw != nil {
		return rw.Changes(ctx)
	}
	chain, err := findLayer(layers, name)
	if err != nil {
		return nil, err
	}
	l, parent := layers.Map()[chain], ""
	if p := l.Parent(); p != nil {
		parent = p.CacheID()
	}
	return layers.Driver().Changes(ctx, l.CacheID(), parent)
}

func (a *app) layerRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "rm NAME [NAME...]",
		Short: "Remove containers' layers with all that was written to them",
		Args:  args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			return a.with(ctx, remove, func(o *opened) error {
				var errs []error
				for _, name := range names {
					err := a.removeContainer(ctx, o, name)
					errs = append(errs, err)
				}
				return errors.Join(errs...)
			})
		},
	}
}

func (a *app) removeContainer(ctx context.Context, o *opened, name string) error {
	l, err := o.Layers.GetRWLayer(name)
	if errors.Is(err, layer.ErrNotFound) {
		if _, other := findLayer(o.Layers, name); other == nil {
			return fmt.Errorf("%s is a layer of images, and goes with the last of them (image rm)", name)
		}
	}
	if err != nil {
		return err
	}
	removed, err := container.Remove(ctx, o.forContainers(), l)
	if err == nil {
		fmt.Fprintln(a.out, name)
	}
	for _, r := range removed {
		fmt.Fprintln(a.out, "Deleted:", r.ChainID)
	}
	return err
}
