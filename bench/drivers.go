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
	"github.com/bulkhead/bulkhead/drivers-wasm/overlay2"
	"github.com/bulkhead/bulkhead/drivers-wasm/vfs"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/process"
	"github.com/bulkhead/bulkhead/host/mount"
)

// drivers are the ways in which a driver may run over the same host code.
type drivers struct {
	rt       *engine.Runtime
	children *process.Runtime
	tap      *tap
	vfs      []byte
	overlay2 []byte
	c        []byte
	noC      string // why there is no driver in C
	noNewest string // why there is no newest go-archive
}

// newDrivers finds the modules; tmp is for what is compiled.
func newDrivers(ctx context.Context, tmp string) (*drivers, error) {
	d := &drivers{tap: newTap()}
	var err error
	if d.vfs, err = driverswasm.Load("vfs"); err != nil {
		return nil, err
	}
	if d.overlay2, err = driverswasm.Load("overlay2"); err != nil {
		return nil, err
	}
	if d.c, err = compiledC(ctx, tmp); err != nil {
		d.noC, _, _ = strings.Cut(err.Error(), "\n")
	}
	if err = newestGoArchive(ctx, tmp); err != nil {
		d.noNewest, _, _ = strings.Cut(err.Error(), "\n")
	}
	cache := filepath.Join(tmp, "modules")
	if d.rt, err = engine.New(ctx, engine.Config{CacheDir: cache}); err != nil {
		return nil, err
	}
	d.children, err = process.New(ctx, process.Config{CacheDir: cache})
	return d, err
}

// Close ends what the drivers ran in.
func (d *drivers) Close(ctx context.Context) error {
	return errors.Join(d.rt.Close(ctx), d.children.Close(ctx))
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

// form is a driver in the form that it runs in.
type form struct {
	driver  string // its name, and its home's beneath the root
	compile host.Compile
	// state is where the host's records lie beneath the root.
	state string
}

// wasm is the vfs driver as it ships, with the limits that it ships with.
func (d *drivers) wasm() form { return inForm("vfs", host.Wasm(d.rt, "vfs", d.vfs, engine.Limits{})) }

// inProcess is the same module in processes of its own.
func (d *drivers) inProcess() form {
	return inForm("vfs", host.InProcess(d.children, "vfs", d.vfs, engine.Limits{}))
}

// native is the same source compiled into this program.
func (d *drivers) native() form { return inForm("vfs", host.Native(vfs.Driver{})) }

// inC is the driver in testdata.
func (d *drivers) inC() form { return inForm("vfs", host.Wasm(d.rt, "apply", d.c, engine.Limits{})) }

// overlayWasm and overlayNative are the same two of overlay2.
func (d *drivers) overlayWasm() form {
	return inForm("overlay2", host.Wasm(d.rt, "overlay2", d.overlay2, engine.Limits{}))
}

func (d *drivers) overlayNative() form { return inForm("overlay2", host.Native(&overlay2.Driver{})) }

func inForm(driver string, compile host.Compile) form {
	return form{driver: driver, compile: compile, state: filepath.Join("bulkhead", driver)}
}

// unknown is the form in a root where the host has no records: whoever wrote
// it, the host did not see it.
func (f form) unknown() form {
	f.state = filepath.Join("bulkhead", "unknown")
	return f
}

// with opens a driver beneath root for one use. Mounts are recorded where a
// restart of the machine would clear them, as the program does it.
func (d *drivers) with(ctx context.Context, root string, f form, use func(*host.Completed) error) (err error) {
	run := filepath.Join(root, "run")
	if os.Geteuid() == 0 {
		if run, err = os.MkdirTemp("/run", "bulkhead-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(run)) }()
	}
	drv, err := host.Open(ctx, host.Config{
		Name: f.driver, Home: filepath.Join(root, f.driver), State: filepath.Join(root, f.state),
		Embedded: true, Unprivileged: os.Geteuid() != 0, Grants: driverswasm.Grants(f.driver),
		Mounts: mount.NewRecords(filepath.Join(run, "mounts"), filepath.Join(run, "trees")), Log: d.tap.log,
	}, f.compile)
	if err != nil {
		return fmt.Errorf("open the driver: %w", err)
	}
	return errors.Join(use(host.Complete(drv)), drv.Close(ctx))
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
