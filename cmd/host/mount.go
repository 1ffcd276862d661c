package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/cmd/host/render"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/layer"
)

func (a *app) mountCommand() *cobra.Command {
	var opts mountOptions
	var format string
	cmd := &cobra.Command{
		Use:   "mount [IMAGE|LAYER|NAME [DIR]]",
		Short: "Mount an image or a layer to be read, or a container's layer to be written; without arguments list mounts",
		Long: `Mount the files of an image or of a read-only layer to be read, or a container's layer
(see layer create) to be written to, on DIR, which has to be there and be empty, or on a
new directory; print where. What NAME is, is looked for among containers' layers, images
and read-only layers, in this order. Without arguments list what is mounted.`,
		Args: args(cobra.MaximumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.listMounts(cmd.Context(), format)
			}
			if cmd.Flags().Changed("format") {
				return usage(cmd, errors.New("--format is for the list of mounts"))
			}
			if len(args) == 2 {
				opts.dir = args[1]
			}
			if !slices.Contains([]string{verifyQuick, verifyFull, verifyNone}, opts.verify) {
				return usage(cmd, fmt.Errorf("--verify=%s: use %s, %s or %s", opts.verify, verifyQuick, verifyFull, verifyNone))
			}
			return a.mount(cmd.Context(), args[0], opts)
		},
	}
	cmd.Flags().StringVar(&opts.label, "label", "", "SELinux label of the mount")
	cmd.Flags().StringVar(&opts.verify, "verify", verifyQuick, "prove the files before they are mounted: quick (by what they were like when they were last read in full, and in full where that is not known), full, or none")
	cmd.Flags().BoolVar(&opts.readOnly, "read-only", false, "mount a container's layer to be read only")
	formatFlag(cmd, &format)
	return cmd
}

// mountOptions say how and where to mount.
type mountOptions struct {
	dir      string // "" makes one
	label    string
	readOnly bool
	verify   string
}

// How much is proven before a mount.
const (
	verifyQuick = "quick"
	verifyFull  = "full"
	verifyNone  = "none"
)

// mount mounts what has that name and prints where. The lock of the one
// writer is only taken for what can be written to, and no lock outlasts the
// command.
func (a *app) mount(ctx context.Context, name string, opts mountOptions) error {
	var t thing
	find := func(o *opened) (err error) {
		t, err = findThing(o, name)
		return err
	}
	if err := a.with(ctx, list, find); err != nil {
		return err
	}
	purpose := read
	if t.writable && !opts.readOnly {
		purpose = write
	}
	return a.with(ctx, purpose, func(o *opened) error {
		if err := find(o); err != nil {
			return err
		}
		m, err := mountLayer(ctx, o, t, opts)
		if err == nil {
			fmt.Fprintln(a.out, m.Target)
		}
		return err
	})
}

// mountLayer mounts a tree, to be written to if the stores are open to write
// and the tree is a container's.
func mountLayer(ctx context.Context, o *opened, t thing, opts mountOptions) (graphdriver.Mount, error) {
	driver, ok := o.Layers.Driver().(graphdriver.Mounter)
	if !ok {
		return graphdriver.Mount{}, fmt.Errorf("mount %s: driver %s mounts nothing", t.what, o.driverName)
	}
	if err := prove(ctx, o, t, opts.verify); err != nil {
		return graphdriver.Mount{}, fmt.Errorf("mount %s %s: %w", t.kind, t.what, err)
	}
	m, err := driver.MountAt(ctx, t.id, opts.label, opts.dir)
	if err != nil {
		return m, fmt.Errorf("mount %s %s: %w", t.kind, t.what, err)
	}
	return m, nil
}

// prove checks the read-only layers that a mount will show.
func prove(ctx context.Context, o *opened, t thing, how string) error {
	if how == verifyNone {
		return nil
	}
	if t.kind == "container" {
		for _, rw := range o.Layers.RWLayers() {
			if below := rw.Parent(); rw.Name() == t.what && below != nil {
				return o.Layers.Prove(ctx, below.ChainID(), how == verifyFull)
			}
		}
		return nil // nothing lies beneath
	}
	for chain, l := range o.Layers.Map() {
		if l.CacheID() == t.id {
			return o.Layers.Prove(ctx, chain, how == verifyFull)
		}
	}
	return fmt.Errorf("layer %s: %w", t.id, layer.ErrNotFound)
}

// listMounts lists the mounts of all drivers of the root.
func (a *app) listMounts(ctx context.Context, format string) error {
	mounts, err := a.mounts(ctx)
	var rows []render.Row
	for _, m := range mounts {
		mode, note := "ro", ""
		if m.ReadWrite {
			mode = "rw"
		}
		if m.Temporary {
			note = fmt.Sprintf("of process %d, for as long as it lives", m.Maker)
		}
		if m.Elsewhere {
			note = "in another mount namespace"
		}
		rows = append(rows, render.Row{
			"Target": m.Target, "Kind": m.thing.kind, "What": m.thing.what, "ID": m.thing.id, "Mode": mode, "Driver": m.driver, "Note": note,
		})
	}
	table := render.Table{
		Fields: []string{"Target", "Kind", "What", "Mode"},
		Headers: map[string]string{
			"Target": "TARGET", "Kind": "KIND", "What": "WHAT", "ID": "ID", "Mode": "MODE", "Driver": "DRIVER", "Note": "NOTE",
		},
	}
	return errors.Join(table.Write(a.out, format, rows), err)
}
