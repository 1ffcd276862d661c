package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/tetratelabs/wazero"
)

// Config is what all modules of a Runtime share.
type Config struct {
	// CacheDir holds compiled native code between runs. It is made with mode
	// 0700 if missing; "" compiles anew in each process. Whoever can write it
	// runs code as us, so New refuses a directory that others could.
	CacheDir string
	// Given says that whoever gave CacheDir looked at it: this process may
	// only read it.
	Given bool
}

// Runtime compiles modules. What is opened twice is compiled once; limits,
// instances and end are each one's own.
type Runtime struct {
	cache wazero.CompilationCache
	links links
}

// New prepares the compilation cache.
func New(_ context.Context, cfg Config) (*Runtime, error) {
	if cfg.CacheDir == "" {
		return &Runtime{cache: wazero.NewCompilationCache()}, nil
	}
	if !cfg.Given {
		if err := prepareCacheDir(cfg.CacheDir); err != nil {
			return nil, fmt.Errorf("compilation cache %q: %w", cfg.CacheDir, err)
		}
	}
	cache, err := wazero.NewCompilationCacheWithDir(cfg.CacheDir)
	if err != nil {
		return nil, fmt.Errorf("compilation cache %q: %w", cfg.CacheDir, err)
	}
	return &Runtime{cache: cache}, nil
}

// Close releases compiled code. Modules are closed before.
func (r *Runtime) Close(ctx context.Context) error {
	return errors.Join(r.links.forget(ctx), r.cache.Close(ctx))
}

func prepareCacheDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	switch {
	case !fi.IsDir():
		return fmt.Errorf("is %s, not a directory", fi.Mode().Type())
	case ok && int(st.Uid) != os.Geteuid():
		return fmt.Errorf("belongs to uid %d, not to %d", st.Uid, os.Geteuid())
	case fi.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("mode %#o lets others write compiled code", fi.Mode().Perm())
	}
	return nil
}
