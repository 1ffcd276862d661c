package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/host/mount"
)

// madeMount is a mount, and what it is of.
type madeMount struct {
	mount.Record
	driver string
	thing  thing
}

// mounts lists the mounts of the root, of all drivers, sorted by target. It
// takes no lock and needs no driver; where the stores cannot be read, what is
// mounted is known by its ID only, and the error says why.
func (a *app) mounts(ctx context.Context) ([]madeMount, error) {
	records, err := a.drivers(true).mounts().List(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]madeMount, 0, len(records))
	known := map[string]map[string]thing{}
	var errs []error
	for _, r := range records {
		driver, id, _ := strings.Cut(r.Key, "/")
		if _, done := known[driver]; !done {
			err := a.of(driver).with(ctx, list, func(o *opened) error {
				known[driver] = mountable(o)
				return nil
			})
			if err != nil {
				known[driver] = nil
				errs = append(errs, err)
			}
		}
		t, ok := known[driver][id]
		if !ok {
			t = thing{id: id}
		}
		all = append(all, madeMount{Record: r, driver: driver, thing: t})
	}
	return all, errors.Join(errs...)
}

// of is the program for one driver.
func (a *app) of(driver string) *app {
	cfg := *a.cfg
	cfg.Driver = driver
	other := *a
	other.cfg = &cfg
	return &other
}

func (a *app) umountCommand() *cobra.Command {
	var lazy bool
	cmd := &cobra.Command{
		Use:     "umount TARGET|IMAGE|LAYER|NAME...",
		Aliases: []string{"unmount"},
		Short:   "Unmount by target, or all mounts of an image or a layer",
		Args:    args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			var errs []error
			for _, name := range names {
				targets, err := a.targets(ctx, name)
				errs = append(errs, err)
				for _, target := range targets {
					errs = append(errs, a.drivers(true).mounts().Unmount(ctx, target, lazy))
				}
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().BoolVar(&lazy, "lazy", false, "unmount what is in use, too; it goes when the last user does")
	return cmd
}

// targets are the mounts that a person means: the one on that path, or all of
// the one thing of that name.
func (a *app) targets(ctx context.Context, name string) ([]string, error) {
	mounts, broken := a.mounts(ctx)
	here := slices.DeleteFunc(mounts, func(m madeMount) bool { return m.Elsewhere })
	path := cleanTarget(name)
	if strings.HasPrefix(name, "/") || strings.HasPrefix(name, ".") {
		return []string{path}, nil // that nothing is mounted there is said by who looks
	}
	// What each meaning of the name has mounted where.
	var meanings []string
	var targets []string
	mean := func(kind string, is func(madeMount) bool) {
		var on []string
		for _, m := range here {
			if is(m) {
				on = append(on, m.Target)
			}
		}
		if len(on) == 0 || slices.Equal(on, targets) {
			return
		}
		targets = append(targets, on...)
		meanings = append(meanings, fmt.Sprintf("%s (%s)", kind, strings.Join(on, ", ")))
	}
	mean("a path", func(m madeMount) bool { return m.Target == path })
	var unclear []error
	for _, driver := range driversOf(here) {
		err := a.of(driver).with(ctx, list, func(o *opened) error {
			found, err := things(o, name)
			for _, t := range found {
				mean("the "+t.kind+" "+t.what, func(m madeMount) bool { return m.driver == driver && m.thing.id == t.id && !m.Temporary })
			}
			if errors.Is(err, errNoThing) {
				return nil
			}
			return err
		})
		if err != nil {
			unclear = append(unclear, err)
		}
	}
	switch {
	case len(meanings) > 1:
		return nil, fmt.Errorf("%q may be %s: name the target", name, strings.Join(meanings, " or "))
	case len(meanings) == 0:
		if unclear == nil {
			unclear = append(unclear, fmt.Errorf("unmount %q: %w: neither on a path nor as an image, a layer or a container's layer (see mount)", name, mount.ErrNotMounted))
		}
		return nil, errors.Join(append(unclear, broken)...)
	}
	return targets, nil
}

func driversOf(mounts []madeMount) []string {
	var all []string
	for _, m := range mounts {
		if !slices.Contains(all, m.driver) {
			all = append(all, m.driver)
		}
	}
	return all
}

// cleanTarget is a path as mounts are recorded, without symlinks on the way.
func cleanTarget(name string) string {
	abs, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		return filepath.Join(dir, filepath.Base(abs))
	}
	return abs
}
