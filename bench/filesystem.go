package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// filesystem makes an empty directory for each run, on a file system of its
// own where that is possible: a used ext4 avoids inodes that were freed lately
// and is several times slower for minutes after a big tree was removed, which
// would press every ratio towards one.
type filesystem struct {
	dir  string // where images and mounts lie
	kind string // "ext4", "tmpfs" or "directory"
	why  string // why it is no better one
}

const imageSize = 3 << 30 // sparse

// probe finds out which kind of file system there is to be had.
func probe(ctx context.Context, dir string) (*filesystem, error) {
	f := &filesystem{dir: dir, kind: "ext4"}
	if os.Geteuid() != 0 {
		f.kind, f.why = "directory", "not root, so runs share a used file system: ratios are pressed towards one"
		return f, nil
	}
	_, done, err := f.fresh(ctx)
	if err == nil {
		return f, done()
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	f.kind, f.why = "tmpfs", fmt.Sprintf("no ext4 on a loop device: %v", err)
	if _, done, err = f.fresh(ctx); err == nil {
		return f, done()
	}
	f.kind, f.why = "directory", fmt.Sprintf("neither ext4 on a loop device nor tmpfs: %v", err)
	return f, nil
}

// fresh makes an empty file system; done takes everything away again.
func (f *filesystem) fresh(ctx context.Context) (root string, done func() error, err error) {
	top, err := os.MkdirTemp(f.dir, "bulkhead-bench-")
	if err != nil {
		return "", nil, err
	}
	var undo []func() error
	clear := func() error {
		var err error
		for len(undo) > 0 {
			err = errors.Join(err, undo[len(undo)-1]())
			undo = undo[:len(undo)-1]
		}
		if err != nil {
			return fmt.Errorf("%s is left behind: %w", top, err)
		}
		return os.RemoveAll(top)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, clear())
		}
	}()
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	root = filepath.Join(top, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		return "", nil, err
	}
	source := "tmpfs"
	if f.kind == "ext4" {
		if source, err = loop(ctx, filepath.Join(top, "image"), &undo); err != nil {
			return "", nil, err
		}
	}
	if f.kind != "directory" {
		options := "noatime"
		if f.kind == "ext4" {
			options += ",noinit_itable" // no work behind the measured one
		}
		if err := command(ctx, "mount", "-t", f.kind, "-o", options, source, root); err != nil {
			return "", nil, err
		}
		undo = append(undo, func() error { return unmount(root) })
	}
	return root, clear, nil
}

// loop makes an ext4 in a file and attaches it.
func loop(ctx context.Context, image string, undo *[]func() error) (device string, err error) {
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return "", err
	}
	if err := os.Truncate(image, imageSize); err != nil {
		return "", err
	}
	if err := command(ctx, "mkfs.ext4", "-q", "-F", image); err != nil {
		return "", err
	}
	// Not killed by a signal: between attaching and saying which device it is
	// nobody would detach it.
	out, err := exec.Command("losetup", "--find", "--show", image).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("losetup: %w: %s", err, strings.TrimSpace(string(out)))
	}
	device = strings.TrimSpace(string(out))
	*undo = append(*undo, func() error { return command(context.Background(), "losetup", "--detach", device) })
	return device, nil
}

func unmount(root string) error {
	var err error
	for range 20 {
		if err = command(context.Background(), "umount", root); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.Join(err, command(context.Background(), "umount", "--lazy", root))
}

func command(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}
