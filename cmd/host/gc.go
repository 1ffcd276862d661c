package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/cmd/host/render"
	"github.com/bulkhead/bulkhead/image/check"
	"github.com/bulkhead/bulkhead/image/gc"
	"github.com/bulkhead/bulkhead/layer"
)

func (a *app) gcCommand() *cobra.Command {
	var dry bool
	var format string
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Free what nobody needs: what repairs kept, layers without an image, what unfinished work left",
		Long: `Free what nobody needs: what repairs put aside, layers that no image, no
container and no builder has, directories that others took the place of, what
unfinished work left, downloads that broke off too; the stores of a driver
whose images were all converted to another; and on a root that Docker does not
use, trees that nobody has. Images are not touched: see image prune.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			purpose := mend
			if dry {
				purpose = examine
			}
			var r gc.Result
			var driver string // of the stores, if they were opened
			err := a.with(cmd.Context(), purpose, func(o *opened) (err error) {
				driver = o.driverName
				r, err = gc.Run(cmd.Context(), check.Stores{Images: o.Images, Layers: o.Layers}, gc.Options{DryRun: dry, Ours: !isDockers(a.cfg.Root)})
				if err == nil && !dry {
					err = a.finish(cmd.Context(), o)
				}
				freed, serr := a.sweepBlobs(0, dry)
				if freed > 0 {
					r.Freed = append(r.Freed, layer.Waste{Kind: "blobs", Path: filepath.Join("bulkhead", "blobs"), Size: freed})
					r.Size += freed
				}
				return errors.Join(err, serr)
			})
			if err == nil {
				err = a.retire(cmd.Context(), driver, dry, &r)
			}
			if driver == "" {
				return err
			}
			if format != "" {
				return errors.Join(err, render.JSON(a.out, r))
			}
			return errors.Join(err, a.showFreed(r, dry))
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "list what would go, and free nothing")
	cmd.Flags().StringVar(&format, "format", "", `"json" for an object`)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if format != "" && format != "json" {
			return usage(cmd, fmt.Errorf("--format %q: there is json", format))
		}
		return nil
	}
	return cmd
}

// finish opens the stores as any command that writes does, and so finishes
// what an earlier process left undone.
func (a *app) finish(ctx context.Context, o *opened) error {
	again := &opened{driverName: o.driverName}
	return errors.Join(a.openStores(ctx, again, o.Layers.Driver(), remove), again.Close(ctx))
}

func (a *app) showFreed(r gc.Result, dry bool) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 3, ' ', 0)
	for _, f := range r.Freed {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Kind, render.Size(f.Size), f.Path)
	}
	err := w.Flush()
	for _, k := range r.Kept {
		fmt.Fprintf(a.out, "kept: %s: %s\n", k.What, k.Why)
	}
	what := "Total reclaimed space"
	if dry {
		what = "Would be reclaimed"
	}
	fmt.Fprintf(a.out, "%s: %s\n", what, render.Size(r.Size))
	return err
}
