package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/bulkhead/bulkhead/config"
	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/mount"
	"github.com/bulkhead/bulkhead/image/convert"
)

// drivers are those that this run can use: what ships, and what the
// configuration names.
type drivers struct {
	*app
	readOnly bool
	// opened is what choose opened to see whether it works here, if it did.
	opened  graphdriver.Driver
	closers []func(context.Context) error
	warned  bool // of locks that this machine lacks
}

func (a *app) drivers(readOnly bool) *drivers { return &drivers{app: a, readOnly: readOnly} }

// Close closes the drivers that were opened.
func (d *drivers) Close(ctx context.Context) error {
	var errs []error
	for _, closer := range slices.Backward(d.closers) {
		errs = append(errs, closer(ctx))
	}
	d.closers = nil
	return errors.Join(errs...)
}

// known lists all drivers: embedded ones first, then configured ones.
func (d *drivers) known() []string {
	list := driverswasm.Names()
	for _, name := range slices.Sorted(maps.Keys(d.cfg.Drivers)) {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// embedded tells whether a driver is one that ships, as it ships.
func (d *drivers) embedded(name string) bool {
	return d.cfg.Drivers[name].Path == "" && slices.Contains(driverswasm.Names(), name)
}

func (d *drivers) registry() (*graphdriver.Registry, error) {
	reg := &graphdriver.Registry{}
	for _, name := range d.known() {
		err := reg.Register(graphdriver.Registration{
			Name: name, ThirdParty: !d.embedded(name),
			Init: func(ctx context.Context, home string) (graphdriver.Driver, error) { return d.openAt(ctx, name, home) },
		})
		if err != nil {
			return nil, err
		}
	}
	return reg, nil
}

// choose names the driver to use on the root: the one asked for; else the one
// whose home lies under the root; else the one that images there belong to, be
// it known or not; else the first of those that ship which works there. Only
// to write is it tried; what reads finds nothing whatever the driver is.
func (d *drivers) choose(ctx context.Context, purpose access) (string, error) {
	if err := d.checkRoot(purpose); err != nil {
		return "", err
	}
	if d.cfg.Driver != "" {
		return d.cfg.Driver, d.checkName(d.cfg.Driver)
	}
	if name, err := d.convertedTo(); name != "" || err != nil {
		return name, err
	}
	reg, err := d.registry()
	if err != nil {
		return "", err
	}
	name, err := reg.Choose(graphdriver.Selection{Root: d.cfg.Root})
	if name != "" || err != nil {
		return name, err
	}
	entries, err := os.ReadDir(filepath.Join(d.cfg.Root, "image"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var found []string
	for _, e := range entries {
		if e.IsDir() && host.ValidateName(e.Name()) == nil {
			found = append(found, e.Name())
		}
	}
	switch shipped := driverswasm.Names(); {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return "", fmt.Errorf("%s holds images of several drivers: choose one with --driver (%s)", d.cfg.Root, strings.Join(found, ", "))
	case len(shipped) == 0:
		return "", fmt.Errorf("%w: no driver is embedded in this binary; build it with make, or configure one under drivers", graphdriver.ErrNoBackend)
	case !purpose.changesLayers():
		return shipped[0], nil
	}
	if err := d.keepContainerd(ctx); err != nil {
		return "", err
	}
	return d.firstThatWorks(ctx, reg)
}

// convertedTo is the driver that all images beneath the root have gone to, ""
// where that did not happen, or not with all.
func (d *drivers) convertedTo() (string, error) {
	var names, stay []string
	for _, dir := range []string{"image", "bulkhead"} { // gc takes the images first
		entries, err := os.ReadDir(filepath.Join(d.cfg.Root, dir))
		if err != nil {
			continue // choose tells, if it has to be there
		}
		for _, e := range entries {
			if e.IsDir() && host.ValidateName(e.Name()) == nil && !slices.Contains(names, e.Name()) && (dir == "image" || convert.Noted(d.cfg.Root, e.Name())) {
				names = append(names, e.Name())
			}
		}
	}
	to := ""
	for _, name := range names {
		target, err := convert.Target(d.cfg.Root, name)
		switch {
		case err != nil:
			return "", err
		case target == "":
			stay = append(stay, name)
		default:
			to = target
		}
	}
	if to == "" || len(stay) != 1 || stay[0] != to {
		return "", nil
	}
	if !d.embedded(to) {
		return "", fmt.Errorf("all images beneath %s are now of driver %s, which does not ship with bulkhead: name it with --driver", d.cfg.Root, to)
	}
	return to, nil
}

// firstThatWorks opens the first driver that works on a new root, and says why
// it is not the one that is best.
func (d *drivers) firstThatWorks(ctx context.Context, reg *graphdriver.Registry) (string, error) {
	driver, passed, err := reg.First(ctx, graphdriver.Selection{Root: d.cfg.Root, Priority: driverswasm.Names()})
	if err != nil {
		return "", err
	}
	for _, why := range passed {
		d.log.Warn("another driver is used", zap.String("driver", driver.String()), zap.Error(why))
	}
	d.opened = driver
	return driver.String(), nil
}

// checkName refuses a name of which there is neither a driver nor an image.
func (d *drivers) checkName(name string) error {
	if err := host.ValidateName(name); err != nil {
		return err
	}
	if slices.Contains(d.known(), name) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(d.cfg.Root, "image", name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.unknown(name)
}

func (d *drivers) unknown(name string) error {
	if known := d.known(); len(known) > 0 {
		return fmt.Errorf("driver %q is not known (known: %s): configure it under drivers, or name another with --driver", name, strings.Join(known, ", "))
	}
	return fmt.Errorf("driver %q is not known: no driver is embedded in this binary; build it with make, or configure one under drivers", name)
}

// checkDrivers refuses configured drivers that cannot be.
func checkDrivers(cfg *config.Loaded) error {
	shipped := driverswasm.Names()
	for _, name := range slices.Sorted(maps.Keys(cfg.Drivers)) {
		if err := host.ValidateName(name); err != nil {
			return err
		}
		if cfg.Drivers[name].Path == "" && !slices.Contains(shipped, name) {
			return fmt.Errorf("drivers.%s has no path, and no driver of that name ships with this binary (%s)", name, orNone(shipped))
		}
	}
	return nil
}

// orNone lists the drivers that ship, and says what to do if there is none.
func orNone(shipped []string) string {
	if len(shipped) == 0 {
		return "it has none: build it with make"
	}
	return "it has " + strings.Join(shipped, ", ")
}

// open opens the driver of that name at its home under the root. To read a
// root that has no such home, there is none, and that is no error.
func (d *drivers) open(ctx context.Context, name string) (graphdriver.Driver, error) {
	if d.opened != nil {
		return d.opened, nil
	}
	home := filepath.Join(d.cfg.Root, name)
	if _, err := os.Lstat(home); d.readOnly && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if !slices.Contains(d.known(), name) {
		return nil, d.unknown(name)
	}
	reg, err := d.registry()
	if err != nil {
		return nil, err
	}
	return reg.New(ctx, graphdriver.Selection{Root: d.cfg.Root, Name: name})
}

func (d *drivers) openAt(ctx context.Context, name, home string) (graphdriver.Driver, error) {
	compile, err := d.module(ctx, name)
	if err != nil {
		return nil, err
	}
	settings := d.cfg.Drivers[name]
	driver, err := host.Open(ctx, host.Config{
		Name: name, Home: home, State: filepath.Join(d.cfg.Root, "bulkhead", name), Scratch: d.cfg.TempDir,
		Embedded: d.embedded(name), Isolation: d.isolation(name),
		Options: options(settings), Grants: d.grants(name), Mounts: d.mounts(),
		Limits: callLimits(settings.Limits), Engine: moduleLimits(settings.Limits),
		ReadOnly: d.readOnly, Unprivileged: !graphdriver.Privileged(), Log: d.log,
	}, compile)
	if err != nil {
		return nil, err
	}
	d.closers = append(d.closers, driver.Close)
	return host.Complete(driver), nil
}

// grants are the powers of a driver: those configured, or what one that ships
// needs.
func (d *drivers) grants(name string) []string {
	if given := d.cfg.Drivers[name].Grants; given != nil || !d.embedded(name) {
		return given
	}
	return driverswasm.Grants(name)
}

// mounts are those of this root, by whatever path it is named.
func (d *drivers) mounts() *mount.Records {
	root := d.cfg.Root
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	sum := sha256.Sum256([]byte(root))
	dir := filepath.Join(d.cfg.RunDir, hex.EncodeToString(sum[:6]))
	return mount.NewRecords(filepath.Join(dir, "mounts"), filepath.Join(dir, "trees"))
}

func options(d config.Driver) []graphdriver.Pair {
	var pairs []graphdriver.Pair
	for _, o := range d.Options {
		key, value, _ := strings.Cut(o, "=")
		pairs = append(pairs, graphdriver.Pair{Key: key, Value: value})
	}
	return pairs
}

func callLimits(l config.DriverLimits) calls.Limits {
	return calls.Limits{Deadline: l.Deadline, Idle: l.StreamIdle, Log: int(l.Log), Output: int64(l.Output), OpenFiles: l.OpenFiles,
		Blocks: int64(l.Blocks), Inodes: l.Inodes}
}

func moduleLimits(l config.DriverLimits) engine.Limits {
	return engine.Limits{
		MemoryPages: uint32(min(l.Memory/(64<<10), 1<<16)), MemoryBudget: uint64(l.MemoryBudget), HighWater: uint64(l.HighWater),
		Idle: l.Instances, Compile: l.Compile,
	}
}
