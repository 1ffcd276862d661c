package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/process"
)

// maxModule bounds what is read of a module's file, in bytes.
const maxModule = 256 << 20

// module prepares the compilation of a driver's module.
func (d *drivers) module(ctx context.Context, name string) (host.Compile, error) {
	wasm, err := d.wasm(name)
	if err != nil {
		return nil, err
	}
	// What was checked is what runs: the file is not read again.
	if _, err := d.prove(name, wasm); err != nil {
		return nil, err
	}
	limits := moduleLimits(d.cfg.Drivers[name].Limits)
	if d.isolation(name) == host.Process {
		rt, err := d.processes(ctx)
		if err != nil {
			return nil, fmt.Errorf("driver %s: %w", name, err)
		}
		d.closers = append(d.closers, rt.Close)
		return host.InProcess(rt, name, wasm, limits), nil
	}
	rt := d.environment.runtime
	if rt == nil {
		if rt, err = d.newRuntime(ctx); err != nil {
			return nil, err
		}
		d.closers = append(d.closers, rt.Close)
	}
	return host.Wasm(rt, name, wasm, limits), nil
}

// isolation is where a driver runs.
func (d *drivers) isolation(name string) host.Isolation {
	if asked := d.cfg.Drivers[name].Isolation; asked != "" {
		return host.Isolation(asked)
	}
	return host.IsolationOf(d.embedded(name))
}

// wasm reads a driver's module.
func (d *drivers) wasm(name string) ([]byte, error) {
	path := d.cfg.Drivers[name].Path
	if path == "" {
		return driverswasm.Load(name)
	}
	fi, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("driver %s: %w", name, err)
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxModule {
		return nil, fmt.Errorf("driver %s: %s is not a file of at most %d bytes", name, path, maxModule)
	}
	return os.ReadFile(path)
}

// newRuntime compiles with a cache if there can be one, since a cache only saves
// time.
func (d *drivers) newRuntime(ctx context.Context) (*engine.Runtime, error) {
	dir := d.cfg.CacheDir
	if dir == "" {
		return engine.New(ctx, engine.Config{})
	}
	err := os.MkdirAll(filepath.Dir(dir), 0o755)
	if err == nil {
		var rt *engine.Runtime
		if rt, err = engine.New(ctx, engine.Config{CacheDir: dir}); err == nil {
			return rt, nil
		}
	}
	d.log.Warn("compiled drivers are not kept", zap.String("cache-dir", dir), zap.Error(err))
	return engine.New(ctx, engine.Config{})
}

// processes starts drivers' processes, and says once which of their locks this
// machine lacks.
func (d *drivers) processes(ctx context.Context) (*process.Runtime, error) {
	rt, err := startProcesses(ctx, d.cfg.CacheDir)
	if errors.Is(err, process.ErrCache) {
		d.log.Warn("compiled drivers are not kept", zap.String("cache-dir", d.cfg.CacheDir), zap.Error(err))
		rt, err = startProcesses(ctx, "")
	}
	if err != nil {
		return nil, err
	}
	if missing := process.Missing(); len(missing) > 0 && !d.warned {
		d.warned = true
		d.log.Warn("drivers' processes lack locks that this machine does not have", zap.Strings("missing", missing))
	}
	return rt, nil
}

func startProcesses(ctx context.Context, dir string) (*process.Runtime, error) {
	if dir != "" {
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			return nil, fmt.Errorf("%w: %w", process.ErrCache, err)
		}
	}
	return process.New(ctx, process.Config{CacheDir: dir})
}
