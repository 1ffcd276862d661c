package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/containerd"
	"github.com/bulkhead/bulkhead/image/convert"
)

func (a *app) convertCommand() *cobra.Command {
	var from, to, containerdRoot, namespace string
	var quiet, verbose bool
	cmd := &cobra.Command{
		Use:   "convert --to DRIVER",
		Short: "Take all images from one driver's stores to another's",
		Long: `Take all images beneath the root from one driver's stores to another's: layers as
the archives that they were stored from, verified, with configurations, names
and parents. What is there already is passed over, so that convert goes on where
it was interrupted.

Nothing of the old driver is changed. When all has come over, the new driver is
the one of the root, and "bulkhead gc" removes the old one's images and layers.
Containers' layers stay where they are.

With --from-containerd the images are those of a containerd, such as the one in
which Docker 29 and later keep them (/var/lib/docker/containerd/daemon): from its
content, which is only read.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "" {
				return usage(cmd, errors.New("name the driver to convert to with --to"))
			}
			if containerdRoot != "" && from != "" {
				return usage(cmd, errors.New("--from and --from-containerd: choose one"))
			}
			if containerdRoot == "" && namespace != "" {
				return usage(cmd, errors.New("--namespace is one of a containerd: name its root with --from-containerd"))
			}
			if containerdRoot != "" {
				return a.convertContainerd(cmd.Context(), containerdRoot, namespace, to, a.progress(quiet, verbose), quiet)
			}
			return a.convert(cmd.Context(), from, to, a.progress(quiet, verbose), quiet)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "driver to take the images to")
	cmd.Flags().StringVar(&from, "from", "", "driver to take them from (default: the one that the root was written with)")
	cmd.Flags().StringVar(&containerdRoot, "from-containerd", "", "take the images of the containerd whose root this is")
	cmd.Flags().StringVar(&namespace, "namespace", "", "take those of this namespace of containerd's (default: the only one, or Docker's \"moby\")")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "say no more than what stays behind")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "tell of each layer where there is no terminal")
	return cmd
}

// as is the app with another driver asked for.
func (a *app) as(driver string) *app {
	other, cfg := *a, *a.cfg
	cfg.Driver = driver
	other.cfg = &cfg
	return &other
}

func (a *app) convert(ctx context.Context, from, to string, bars progress, quiet bool) (err error) {
	defer bars.Close()
	if from, err = a.convertFrom(from, to); err != nil {
		return err
	}
	// The root is locked to write first, and then what is read.
	return a.as(to).with(ctx, write, func(target *opened) error {
		return a.as(from).with(ctx, read, func(source *opened) error {
			if source.Layers.Driver() == nil {
				return fmt.Errorf("%s has no directory of driver %s, only what was noted of its images", a.cfg.Root, from)
			}
			done, err := convert.Run(ctx, source.Stores, target.Stores, a.convertOptions(bars, quiet))
			bars.Close()
			if err != nil {
				return err
			}
			if err := a.converted(from, to, done, quiet); err != nil {
				return err
			}
			return a.handOver(from, to, quiet)
		})
	})
}

func (a *app) convertOptions(bars progress, quiet bool) convert.Options {
	return convert.Options{Progress: bars, Stored: func(id image.ID) {
		if !quiet {
			fmt.Fprintf(a.out, "Converted: %s\n", id.Short())
		}
	}}
}

func (a *app) convertContainerd(ctx context.Context, root, namespace, to string, bars progress, quiet bool) (err error) {
	defer bars.Close()
	from, err := containerd.Open(ctx, root, namespace)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	boundMemory()
	return a.as(to).with(ctx, write, func(target *opened) error {
		done, err := convert.FromContainerd(ctx, from, target.Stores, a.archiveLimits(), a.convertOptions(bars, quiet))
		bars.Close()
		if err != nil {
			return err
		}
		return a.converted("containerd ("+from.Namespace+")", to, done, quiet)
	})
}

// converted tells what was done, and what stays behind.
func (a *app) converted(from, to string, done convert.Result, quiet bool) error {
	if !quiet {
		fmt.Fprintf(a.out, "%d images converted from %s to %s, %d were there, %d names\n", len(done.Stored), from, to, len(done.Already), done.Names)
	}
	var errs []error
	for _, left := range done.Left {
		errs = append(errs, fmt.Errorf("left with %s: %w", from, left))
	}
	return errors.Join(errs...)
}

// handOver makes the new driver the root's.
func (a *app) handOver(from, to string, quiet bool) error {
	if err := convert.Mark(a.cfg.Root, from, to); err != nil {
		return fmt.Errorf("note that the images are %s's: %w", to, err)
	}
	if quiet {
		return nil
	}
	fmt.Fprintf(a.out, "%s is now the driver of %s; bulkhead gc removes what %s keeps there\n", to, a.cfg.Root, from)
	if set := a.cfg.Driver; set != "" && set != to {
		fmt.Fprintf(a.out, "driver is set to %s, which goes before that: set it to %s, or to nothing\n", set, to)
	}
	return nil
}

// convertFrom finds the driver to take images from.
func (a *app) convertFrom(from, to string) (string, error) {
	var found []string
	entries, err := os.ReadDir(filepath.Join(a.cfg.Root, "image"))
	if err != nil {
		return "", fmt.Errorf("no images to convert: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != to {
			found = append(found, e.Name())
		}
	}
	switch {
	case from == to:
		return "", fmt.Errorf("--from and --to are both %s", to)
	case from != "" && !slices.Contains(found, from):
		return "", fmt.Errorf("driver %s has no images beneath %s (%s)", from, a.cfg.Root, orNobody(found))
	case from != "":
		return from, nil
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return "", fmt.Errorf("no driver but %s has images beneath %s", to, a.cfg.Root)
	}
	return "", fmt.Errorf("several drivers have images beneath %s: choose one with --from (%s)", a.cfg.Root, strings.Join(found, ", "))
}

func orNobody(found []string) string {
	if len(found) == 0 {
		return "no other has"
	}
	return strings.Join(found, ", ") + " has"
}
