package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/image/migrate"
	v1 "github.com/bulkhead/bulkhead/image/v1"
	"github.com/bulkhead/bulkhead/layer/rootlock"
)

func (a *app) migrateCommand() *cobra.Command {
	var dir, from string
	var quiet, verbose bool
	cmd := &cobra.Command{
		Use:   "migrate --from-v1 DIR",
		Short: "Take all images out of the root of a Docker before 1.10",
		Long: `Take all images out of DIR, the root of a Docker before 1.10, to the root of
bulkhead: layers as the archives that they were stored from, verified, where
Docker noted what that takes (since 1.8), else as the driver tells what they
brought, which is said of each; configurations as Docker 1.10 made them, so that
images have the IDs that they would have there; then parents and names.

DIR is only read. What came over before is passed over, so that migrate goes on
where it was interrupted. Containers are not migrated; they are told.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return usage(cmd, errors.New("name the directory to take images from with --from-v1"))
			}
			return a.migrate(cmd.Context(), dir, from, a.progress(quiet, verbose), quiet)
		},
	}
	cmd.Flags().StringVar(&dir, "from-v1", "", "root of the Docker before 1.10, such as a copy of its /var/lib/docker")
	cmd.Flags().StringVar(&from, "from", "", "driver whose images to take (default: the only one that has some)")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "say no more than what stays behind")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "tell of each layer where there is no terminal")
	return cmd
}

func (a *app) migrate(ctx context.Context, dir, from string, bars progress, quiet bool) (err error) {
	defer bars.Close()
	if dir, err = a.migrateFrom(dir); err != nil {
		return err
	}
	if from, err = graphDriver(dir, from); err != nil {
		return err
	}
	boundMemory()
	// The root is locked to write first, and then what is read.
	return a.with(ctx, write, func(target *opened) error {
		return a.withGraph(ctx, dir, from, func(graph *v1.Graph) error {
			done, err := migrate.Run(ctx, migrate.Source{Graph: graph, Root: dir},
				migrate.Target{Stores: target.Stores, Root: a.cfg.Root, Driver: target.driverName},
				migrate.Options{
					Progress: bars, Layer: int64(a.cfg.Limits.Layer), Entries: a.cfg.Limits.Entries,
					Stored: func(m migrate.Migrated) {
						if !quiet {
							fmt.Fprintf(a.out, "Migrated: %s is %s%s\n", v1.Short(m.From), m.ID.Short(), unproven(m, from))
						}
					},
				})
			bars.Close()
			if err != nil {
				return err
			}
			return a.migrated(done, dir, quiet)
		})
	})
}

func unproven(m migrate.Migrated, from string) string {
	if m.Exact {
		return ""
	}
	return ", unverified: its layer is what driver " + from + " tells, since Docker did not note of which archive it was made"
}

// migrated tells what was done, and what stays behind.
func (a *app) migrated(done migrate.Result, dir string, quiet bool) error {
	if !quiet {
		exact := 0
		for _, m := range done.Stored {
			if m.Exact {
				exact++
			}
		}
		fmt.Fprintf(a.out, "%d images migrated from %s, %d of them verified, %d were there, %d names\n", len(done.Stored), dir, exact, len(done.Already), done.Names)
	}
	var errs []error
	for _, left := range done.Left {
		errs = append(errs, fmt.Errorf("left in %s: %w", dir, left))
	}
	return errors.Join(errs...)
}

// migrateFrom refuses a directory that is no root of a Docker before 1.10, or
// would be changed.
func (a *app) migrateFrom(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", err
	}
	fi, err := os.Stat(filepath.Join(dir, "graph"))
	switch {
	case err == nil && fi.IsDir():
	case hasDir(dir, "image"):
		return "", fmt.Errorf("%s has no directory graph, but image: it is of Docker 1.10 or later, so use it as it is (--root %s), or take its images with convert", dir, dir)
	default:
		return "", fmt.Errorf("%s has no directory graph: name the root of a Docker before 1.10", dir)
	}
	if inside, err := isBeneath(a.cfg.Root, dir); err != nil || inside {
		return "", errors.Join(err, fmt.Errorf("--root %s is in %s, which is not to be changed: choose another root", a.cfg.Root, dir))
	}
	return dir, nil
}

// isBeneath tells whether a path, as far as it is there, leads to a directory
// or to what is beneath it.
func isBeneath(path, dir string) (bool, error) {
	at, err := filepath.Abs(path)
	if err != nil {
		return false, err
	}
	for {
		real, err := filepath.EvalSymlinks(at)
		if err == nil {
			return real == dir || strings.HasPrefix(real, strings.TrimSuffix(dir, "/")+"/"), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		at = filepath.Dir(at)
	}
}

func hasDir(dir, name string) bool {
	fi, err := os.Stat(filepath.Join(dir, name))
	return err == nil && fi.IsDir()
}

// graphDriver finds the driver whose images a graph holds.
func graphDriver(dir, from string) (string, error) {
	if from != "" {
		if err := host.ValidateName(from); err != nil {
			return "", err
		}
		if !hasDir(dir, from) {
			return "", fmt.Errorf("%s has no directory of driver %s", dir, from)
		}
		return from, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	// A driver whose images have names, else one that was known then.
	var named, known []string
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e.Name(), "repositories-"); ok && host.ValidateName(name) == nil && hasDir(dir, name) {
			named = append(named, name)
		}
		if slices.Contains([]string{"aufs", "btrfs", "devicemapper", "overlay", "vfs", "zfs"}, e.Name()) && e.IsDir() {
			known = append(known, e.Name())
		}
	}
	if len(named) == 0 {
		named = known
	}
	switch len(named) {
	case 0:
		return "", fmt.Errorf("%s has no driver's directory with images in it: name the driver with --from", dir)
	case 1:
		return named[0], nil
	}
	return "", fmt.Errorf("several drivers have images in %s: choose one with --from (%s)", dir, strings.Join(named, ", "))
}

// withGraph opens a graph to read: with the driver of that name if there is
// one, else with no more than the place where it kept files.
func (a *app) withGraph(ctx context.Context, dir, name string, do func(*v1.Graph) error) (err error) {
	source, cfg := *a, *a.cfg
	cfg.Root, cfg.Driver = dir, name
	source.cfg = &cfg
	lock, err := rootlock.Acquire(ctx, dir, name, rootlock.Read, a.cfg.LockTimeout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	drivers := source.drivers(true)
	defer func() { err = errors.Join(err, drivers.Close(context.WithoutCancel(ctx))) }()
	var driver graphdriver.Driver
	if slices.Contains(drivers.known(), name) {
		driver, err = drivers.open(ctx, name)
	} else {
		driver, err = migrate.Trees(dir, name)
	}
	if err != nil {
		return err
	}
	graph, err := v1.Open(ctx, v1.Options{Root: dir, DriverName: name, Driver: driver, ReadOnly: true, Entries: a.cfg.Limits.Entries, Log: a.log})
	if err != nil {
		return err
	}
	return do(graph)
}
