package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/mount"
	"github.com/bulkhead/bulkhead/image/convert"
	"github.com/bulkhead/bulkhead/image/gc"
	"github.com/bulkhead/bulkhead/layer"
	"github.com/bulkhead/bulkhead/layer/rootlock"
)

// wasteDriver is what a driver keeps whose images have all gone to another.
const wasteDriver layer.WasteKind = "driver"

// retire frees the stores of drivers whose images have all been converted to
// this one's.
func (a *app) retire(ctx context.Context, to string, dry bool, r *gc.Result) error {
	old, err := convert.Retired(a.cfg.Root, to)
	if err != nil {
		return err
	}
	var errs []error
	for _, driver := range old {
		why, err := a.retireOne(ctx, driver, to, dry, r)
		if err != nil {
			errs = append(errs, fmt.Errorf("driver %s: %w", driver, err))
		}
		if why != nil {
			r.Kept = append(r.Kept, gc.Kept{What: "what driver " + driver + " keeps", Why: why.Error()})
		}
	}
	return errors.Join(errs...)
}

func (a *app) retireOne(ctx context.Context, driver, to string, dry bool, r *gc.Result) (why, err error) {
	mode := rootlock.Remove
	if dry {
		mode = rootlock.Read
	}
	lock, err := rootlock.Acquire(ctx, a.cfg.Root, driver, mode, a.cfg.LockTimeout)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if why, err := a.mayRetire(ctx, driver, to); why != nil || err != nil {
		return why, err
	}
	for _, place := range convert.Places(a.cfg.Root, driver) {
		size, err := convert.Size(ctx, place)
		if err != nil {
			return nil, err
		}
		rel, err := filepath.Rel(a.cfg.Root, place)
		if err != nil {
			return nil, err
		}
		r.Freed = append(r.Freed, layer.Waste{Kind: wasteDriver, Path: rel, Size: size})
		r.Size += size
	}
	if dry {
		return nil, nil
	}
	return nil, convert.Retire(ctx, a.cfg.Root, driver)
}

// mayRetire says why the stores of a driver are needed still.
func (a *app) mayRetire(ctx context.Context, driver, to string) (why, err error) {
	if _, err := os.Lstat(filepath.Join(a.cfg.Root, "buildkit")); !errors.Is(err, fs.ErrNotExist) {
		return errors.New("BuildKit has kept its cache in it; remove that first (docker builder prune -a, then the directory buildkit)"), nil
	}
	target, err := convert.Target(a.cfg.Root, driver)
	if err != nil {
		return nil, err
	}
	if target != to {
		return errors.New("it has been written to since"), nil
	}
	err = a.as(to).with(ctx, list, func(now *opened) error {
		return a.as(driver).with(ctx, list, func(old *opened) error {
			why = convert.Superseded(old.Stores, now.Images)
			return nil
		})
	})
	if why != nil || err != nil {
		return why, err
	}
	if why, err := mounted(convert.Places(a.cfg.Root, driver)); why != nil || err != nil {
		return why, err
	}
	drivers := a.as(driver).drivers(true)
	defer func() { err = errors.Join(err, drivers.Close(ctx)) }()
	d, err := drivers.open(ctx, driver)
	if err != nil || d == nil {
		return nil, err
	}
	if m, ok := d.(graphdriver.Mounter); ok {
		mounts, err := m.Mounts(ctx)
		if err != nil {
			return nil, err
		}
		for _, at := range mounts {
			return fmt.Errorf("a layer of it is mounted on %s", at.Target), nil
		}
	}
	return nil, nil
}

// mounted says what is mounted on one of the places, or in it, be it by whomever:
// what is removed there would be removed from what is mounted.
func mounted(places []string) (why, err error) {
	table, err := mount.ReadTable()
	if err != nil {
		return nil, err
	}
	for _, place := range places {
		if place, err = filepath.Abs(place); err == nil {
			place, err = filepath.EvalSymlinks(place)
		}
		if err != nil {
			return nil, err
		}
		in := table.Beneath(place, 1)
		if _, is := table.At(place); is {
			in = append(in, place)
		}
		if len(in) > 0 {
			return fmt.Errorf("something is mounted on %s: unmount it first", in[0]), nil
		}
	}
	return nil, nil
}
