package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const binaryName = "bulkhead image load"

// program is bulkhead on a root: a process that starts, loads the driver's
// compiled code, and reads layers out of an image archive.
type program struct {
	bin, root, driver string
	temp              string // for what outlives a run
}

// missing is why a program cannot be measured.
func missing(bin string) string {
	if _, err := exec.LookPath(bin); err != nil {
		return bin + " is not there"
	}
	return ""
}

func (p program) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.bin, append([]string{"--root", p.root, "--driver", p.driver}, args...)...)
	cmd.Env = append(os.Environ(), "BULKHEAD_CACHE_DIR="+filepath.Join(p.temp, "cache"), "BULKHEAD_RUN_DIR="+filepath.Join(p.temp, "run"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", &toolError{p.bin, out, err}
	}
	return strings.TrimSpace(string(out)), nil
}

// loads measures the load of an archive, with the driver compiled before.
func (p program) loads(ctx context.Context, archive, id string, m *meter) error {
	if err := p.compiled(ctx); err != nil {
		return err
	}
	err := m.time(func() error {
		_, err := p.run(ctx, "image", "load", "--quiet", "--input", archive)
		return err
	})
	if err != nil {
		return err
	}
	got, err := p.run(ctx, "image", "ls", "-q", "--no-trunc")
	if err != nil {
		return err
	}
	return expect("images", got, id)
}

// compiled has the driver's compiled code in the cache: who loads more than
// one image has it too.
func (p program) compiled(ctx context.Context) (err error) {
	mark := filepath.Join(p.temp, p.driver+"-is-compiled")
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	root, err := os.MkdirTemp(p.temp, "warm-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	empty := &input{name: "empty", path: filepath.Join(root, "empty.tar")}
	if err := os.WriteFile(empty.path, make([]byte, 1024), 0o644); err != nil {
		return err
	}
	archive, _, err := oneLayerImage(empty, root)
	if err != nil {
		return err
	}
	warm := p
	warm.root = filepath.Join(root, "root")
	if _, err := warm.run(ctx, "image", "load", "--quiet", "--input", archive); err != nil {
		return fmt.Errorf("a first load, so that the driver is compiled: %w", err)
	}
	return os.WriteFile(mark, nil, 0o644)
}
