package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/cmd/host/render"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/check"
	"github.com/bulkhead/bulkhead/layer"
)

// findings is the error of a check that found something.
type findings int

func (n findings) Error() string {
	if n == 1 {
		return "1 finding"
	}
	return fmt.Sprintf("%d findings", int(n))
}

// Unwrap makes the exit code that of damage.
func (findings) Unwrap() error { return layer.ErrCorrupt }

func (a *app) checkCommand() *cobra.Command {
	var quick, full, mending bool
	var format, from string
	cmd := &cobra.Command{
		Use:   "check [IMAGE...]",
		Short: "Look for whatever is wrong in the stores, and say why it matters and what to do",
		Long: `Look for whatever is wrong in the stores beneath the root: missing, altered,
extra and orphaned layers, trees, records, configurations and names. Nothing is
changed. With images, only what concerns these is told.

Quick, which is the default, looks at what the stores note and at what the
driver says of each layer; --full reads all layers besides and compares them
with their archives.

The exit code is 3 where anything was found.

--repair mends what it finds, and reads all layers unless --quick is given. What
is lost is taken from the archive, from the root of another store, or from the
image in a registry (docker://NAME), that --from names. Whatever is replaced is
kept beneath the root until gc. The exit code is 3 where something is left.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			if quick && full {
				return usage(cmd, errors.New("--quick and --full: choose one"))
			}
			if from != "" && !mending {
				return usage(cmd, errors.New("--from is for --repair"))
			}
			if mending {
				return a.repair(cmd, names, quick, from, format)
			}
			return a.with(cmd.Context(), examine, func(o *opened) error { return a.check(cmd, o, names, full, format) })
		},
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "do not read layers (default)")
	cmd.Flags().BoolVar(&full, "full", false, "read all layers and compare them with their archives")
	cmd.Flags().BoolVar(&mending, "repair", false, "mend what is found")
	cmd.Flags().StringVar(&from, "from", "", "take what is lost from this archive, from the store beneath this root, or from docker://NAME[:TAG] in a registry")
	cmd.Flags().StringVar(&format, "format", "", `"json" for an array, or a template for each finding`)
	return cmd
}

func (a *app) check(cmd *cobra.Command, o *opened, names []string, full bool, format string) error {
	ids, err := chosen(o.Images, names)
	if err != nil {
		return err
	}
	opts := check.Options{Full: full, Images: ids}
	var all []any
	n := findings(0)
	err = check.Run(cmd.Context(), check.Stores{Images: o.Images, Layers: o.Layers}, opts, func(f check.Finding) error {
		n++
		if format == "" {
			a.showFinding(f)
			return nil
		}
		all = append(all, f)
		return nil
	})
	err = a.showAll(format, all, n > 0, err)
	if n > 0 {
		err = errors.Join(err, n)
	}
	return err
}

// showAll shows what was found in a format that takes all of it; in none, each
// was shown when it was found.
func (a *app) showAll(format string, all []any, found bool, err error) error {
	switch {
	case format == "json":
		return errors.Join(err, render.JSON(a.out, append([]any{}, all...)))
	case format != "":
		return errors.Join(err, render.Each(a.out, format, all))
	case !found && err == nil:
		fmt.Fprintln(a.out, "nothing found")
	}
	return err
}

func (a *app) showFinding(f check.Finding) {
	fmt.Fprintf(a.out, "%s: %s\n  what: %s\n", f.Kind, f.Path, f.What)
	if f.Layer != "" {
		fmt.Fprintf(a.out, "  layer: %s\n", f.Layer)
	}
	if len(f.Images) > 0 {
		short := make([]string, len(f.Images))
		for i, id := range f.Images {
			short[i] = image.ID(id).Short()
		}
		fmt.Fprintf(a.out, "  images: %s\n", strings.Join(short, ", "))
	}
	fmt.Fprintf(a.out, "  why it matters: %s\n  what to do: %s\n", f.Why, f.Do)
}

// chosen finds images by name; without names there are none.
func chosen(images *image.Store, names []string) ([]image.ID, error) {
	if len(names) == 0 {
		return nil, nil
	}
	return resolveAll(images, names)
}
