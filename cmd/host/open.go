package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/blobs"
	"github.com/bulkhead/bulkhead/image/convert"
	"github.com/bulkhead/bulkhead/layer"
	"github.com/bulkhead/bulkhead/layer/rootlock"
)

// access is what a command does with the stores.
type access int

const (
	// list reads what is noted of images and layers: no driver, no lock.
	list access = iota
	// sizes is list of images alone: of layers it reads what they are beneath
	// and how large.
	sizes
	// names changes what images are called: no driver.
	names
	// read reads the content of layers.
	read
	// examine reads whatever is there, damaged or not.
	examine
	// write adds images and layers.
	write
	// remove removes some.
	remove
	// mend writes to what is damaged, and shares with nobody.
	mend
)

func (a access) lock() rootlock.Mode {
	switch a {
	case read, examine:
		return rootlock.Read
	case names, write:
		return rootlock.Write
	case remove, mend:
		return rootlock.Remove
	}
	return 0
}

func (a access) needsDriver() bool   { return a == read || a == examine || a.changesLayers() }
func (a access) changesLayers() bool { return a == write || a == remove || a == mend }

// opened are the stores beneath the root, with what has to be closed.
type opened struct {
	archive.Stores
	driverName string
	closers    []func(context.Context) error
}

// Close closes everything, the last opened first, also when ctx is done.
func (o *opened) Close(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var errs []error
	for i := len(o.closers) - 1; i >= 0; i-- {
		errs = append(errs, o.closers[i](ctx))
	}
	return errors.Join(errs...)
}

// open opens the stores for a kind of access, locked as it needs.
func (a *app) open(ctx context.Context, purpose access) (_ *opened, err error) {
	o := &opened{}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.Close(ctx))
		}
	}()
	drivers := a.drivers(!purpose.changesLayers())
	o.closers = append(o.closers, drivers.Close)
	if o.driverName, err = drivers.choose(ctx, purpose); err != nil {
		return nil, err
	}
	if mode := purpose.lock(); mode != 0 {
		lock, err := rootlock.Acquire(ctx, a.cfg.Root, o.driverName, mode, a.cfg.LockTimeout)
		if err != nil {
			return nil, err
		}
		o.closers = append(o.closers, func(context.Context) error { return lock.Release() })
	}
	if purpose.changesLayers() || purpose == names {
		if err := convert.Unmark(a.cfg.Root, o.driverName); err != nil {
			return nil, err
		}
	}
	var driver graphdriver.Driver
	if purpose.needsDriver() {
		if driver, err = drivers.open(ctx, o.driverName); err != nil {
			return nil, err
		}
	}
	return o, a.openStores(ctx, o, driver, purpose)
}

// checkRoot refuses a root that is none. Only what adds images makes one;
// what reads finds nothing in one that is not there.
func (a *app) checkRoot(purpose access) error {
	fi, err := os.Stat(a.cfg.Root)
	switch {
	case err == nil && !fi.IsDir():
		return fmt.Errorf("%s is not a directory: name another with --root", a.cfg.Root)
	case errors.Is(err, fs.ErrNotExist) && (purpose == names || purpose == remove || purpose == mend):
		return fmt.Errorf("%s does not exist: name the root of the images with --root", a.cfg.Root)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

func (a *app) openStores(ctx context.Context, o *opened, driver graphdriver.Driver, purpose access) (err error) {
	o.Layers, err = layer.Open(ctx, layer.Options{
		Root: a.cfg.Root, DriverName: o.driverName, Driver: driver,
		ReadOnly: !purpose.changesLayers(), Damaged: purpose == mend, Sizes: purpose == sizes, Log: a.log,
	})
	if err != nil {
		return err
	}
	o.closers = append(o.closers, func(context.Context) error { return o.Layers.Close() })
	o.Images, err = a.openImages(ctx, o, purpose)
	return err
}

func (a *app) openImages(ctx context.Context, o *opened, purpose access) (*image.Store, error) {
	return image.Open(ctx, image.Options{
		Root: a.cfg.Root, DriverName: o.driverName, Layers: o.Layers, DriverMetadata: o.Layers.Driver() != nil,
		ReadOnly: purpose == list || purpose == sizes || purpose == read || purpose == examine, Damaged: purpose == examine || purpose == mend, Log: a.log,
	})
}

// with opens the stores, lets do use them and closes them.
func (a *app) with(ctx context.Context, purpose access, do func(*opened) error) error {
	o, err := a.open(ctx, purpose)
	if err != nil {
		return err
	}
	err = do(o)
	if purpose == remove {
		_, serr := a.sweepBlobs(blobs.Stale, false)
		err = errors.Join(err, serr)
	}
	return errors.Join(err, o.Close(ctx))
}
