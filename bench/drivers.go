package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
	"github.com/bulkhead/bulkhead/drivers-wasm/vfs"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/engine"
)

// drivers are the ways in which a driver may run over the same host code.
type drivers struct {
	rt  *engine.Runtime
	tap *tap
	vfs []byte
	c   []byte
	noC string // why there is no driver in C
}

// newDrivers finds the modules; tmp is for what is compiled.
func newDrivers(ctx context.Context, tmp string) (*drivers, error) {
	d := &drivers{tap: newTap()}
	var err error
	if d.vfs, err = driverswasm.Load("vfs"); err != nil {
		return nil, err
	}
	if d.c, err = compiledC(ctx, tmp); err != nil {
		d.noC, _, _ = strings.Cut(err.Error(), "\n")
	}
	d.rt, err = engine.New(ctx, engine.Config{CacheDir: filepath.Join(tmp, "modules")})
	return d, err
}

// compiledC builds the driver in testdata, once. It is found beside the
// sources, so the program runs from its own directory.
func compiledC(ctx context.Context, tmp string) ([]byte, error) {
	out := filepath.Join(tmp, "apply.wasm")
	if b, err := os.ReadFile(out); err == nil {
		return b, nil
	}
	if _, err := exec.LookPath("clang"); err != nil {
		return nil, errors.New("clang is not installed")
	}
	err := command(ctx, "clang", "--target=wasm32", "-mbulk-memory", "-nostdlib", "-O2", "-Wall", "-Wextra", "-Werror",
		"-Wl,--no-entry", "-o", out, filepath.Join("testdata", "apply.c"))
	if err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// wasm is the vfs driver as it ships, with the limits that it ships with.
func (d *drivers) wasm() host.Compile { return host.Wasm(d.rt, "vfs", d.vfs, engine.Limits{}) }

// native is the same source compiled into this program.
func (d *drivers) native() host.Compile { return host.Native(vfs.Driver{}) }

// inC is the driver in testdata.
func (d *drivers) inC() host.Compile { return host.Wasm(d.rt, "apply", d.c, engine.Limits{}) }

// open opens a driver beneath root.
func (d *drivers) open(ctx context.Context, root string, compile host.Compile) (*host.Completed, error) {
	drv, err := host.Open(ctx, host.Config{
		Name: "vfs", Home: filepath.Join(root, "vfs"), State: filepath.Join(root, "bulkhead", "vfs"),
		Embedded: true, Unprivileged: os.Geteuid() != 0, Log: d.tap.log,
	}, compile)
	if err != nil {
		return nil, fmt.Errorf("open the driver: %w", err)
	}
	return host.Complete(drv), nil
}

// with opens a driver for one use.
func (d *drivers) with(ctx context.Context, root string, compile host.Compile, use func(*host.Completed) error) error {
	drv, err := d.open(ctx, root, compile)
	if err != nil {
		return err
	}
	return errors.Join(use(drv), drv.Close(ctx))
}

// applyTo fills a layer with an archive.
func applyTo(ctx context.Context, drv graphdriver.Driver, id, archive string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = drv.ApplyDiff(ctx, id, "", f)
	return err
}
