package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
)

const (
	plainName   = "mount(2), options ready"
	getName     = "overlay2, wasm, Get and Put"
	mobyGetName = "moby overlay2, Get and Put"
	// mountsARun is how many times a run mounts and unmounts.
	mountsARun = 100
)

// mounting measures a mount and an unmount of an image with so many layers, or
// of a container on it.
func mounting(d *drivers, layers int, rw bool) measurement {
	ms := measurement{
		name:  fmt.Sprintf("mount-%d", layers),
		about: fmt.Sprintf("mount and unmount of an image of %d layers, the cost of one of %d", layers, mountsARun),
		skip:  needsRoot(), shared: thinLayers(d, layers),
	}
	id := layerID(layers - 1)
	if rw {
		ms.name = fmt.Sprintf("mount-rw-%d", layers)
		ms.about = fmt.Sprintf("mount and unmount of a container on an image of %d layers, the cost of one of %d", layers, mountsARun)
		id = "child"
	}
	mounts := func(f form) func(context.Context, string, *meter) error {
		return func(ctx context.Context, root string, m *meter) error {
			return d.with(ctx, root, f, func(drv *host.Completed) error { return mountingAt(ctx, drv, id, root, layers, m) })
		}
	}
	ms.variants = []variant{
		{name: plainName, run: func(_ context.Context, root string, m *meter) error { return plainMounts(root, layers, rw, m) }},
		{name: overlayNativeName, run: mounts(d.overlayNative())},
		{name: overlayWasmName, run: mounts(d.overlayWasm())},
		{name: getName, run: func(ctx context.Context, root string, m *meter) error {
			return d.with(ctx, root, d.overlayWasm(), func(drv *host.Completed) error {
				return gettingAndPutting(layers, m, func() (string, error) { return drv.Get(ctx, id, "") }, func() error { return drv.Put(ctx, id) })
			})
		}},
		{name: mobyGetName, run: func(_ context.Context, root string, m *meter) error {
			drv, err := mobyOverlay(root)
			if err != nil {
				return err
			}
			return gettingAndPutting(layers, m, func() (string, error) { return drv.Get(id, "") }, func() error { return drv.Put(id) })
		}},
	}
	ms.goals = []goal{
		{of: overlayWasmName, to: overlayNativeName}, {of: overlayWasmName, to: mobyGetName}, {of: getName, to: mobyGetName},
	}
	return ms
}

// thinLayers makes layers with a file each, and a container on them.
func thinLayers(d *drivers, n int) func(ctx context.Context, root string) error {
	return func(ctx context.Context, root string) error {
		return d.with(ctx, root, d.overlayNative(), func(drv *host.Completed) error {
			parent := ""
			for i := range n {
				var b bytes.Buffer
				tw := tar.NewWriter(&b)
				if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: fileOf(i), Mode: 0o644, ModTime: when()}); err != nil {
					return err
				}
				if err := tw.Close(); err != nil {
					return err
				}
				if err := drv.Create(ctx, layerID(i), parent, graphdriver.CreateOptions{}); err != nil {
					return err
				}
				if _, err := drv.ApplyDiff(ctx, layerID(i), parent, &b); err != nil {
					return err
				}
				parent = layerID(i)
			}
			return drv.CreateReadWrite(ctx, "child", parent, graphdriver.CreateOptions{})
		})
	}
}

func fileOf(layer int) string { return fmt.Sprintf("file%d", layer) }

// shows checks that a mount shows the files of the lowest and the highest
// layer.
func shows(dir string, layers int) error {
	for _, i := range []int{0, layers - 1} {
		if _, err := os.Stat(filepath.Join(dir, fileOf(i))); err != nil {
			return fmt.Errorf("what is mounted is not the layers: %w", err)
		}
	}
	return nil
}

// mountingAt mounts where it is told to.
func mountingAt(ctx context.Context, drv *host.Completed, id, root string, layers int, m *meter) error {
	at, err := os.MkdirTemp(root, "target-")
	if err != nil {
		return err
	}
	checked := false
	err = m.each(mountsARun, func() error {
		if _, err := drv.MountAt(ctx, id, "", at); err != nil {
			return err
		}
		if !checked { // the first time, which does not count
			if err := shows(at, layers); err != nil {
				return err
			}
			checked = true
		}
		return drv.UnmountAt(ctx, at, false)
	})
	return errors.Join(err, os.Remove(at))
}

func gettingAndPutting(layers int, m *meter, get func() (string, error), put func() error) error {
	checked := false
	return m.each(mountsARun, func() error {
		dir, err := get()
		if err != nil {
			return err
		}
		if !checked {
			if err := shows(dir, layers); err != nil {
				return err
			}
			checked = true
		}
		return put()
	})
}

// plainMounts does with one system call what a driver's mount comes to: the
// options are put together once, and nothing is checked or recorded.
func plainMounts(root string, layers int, rw bool, m *meter) error {
	home := filepath.Join(root, "overlay2")
	if err := os.Chdir(home); err != nil { // names of 125 layers fill a page
		return err
	}
	top, err := os.ReadFile(filepath.Join("child", "lower"))
	if err != nil {
		return err
	}
	options, flags := "lowerdir="+strings.TrimSpace(string(top)), uintptr(unix.MS_RDONLY)
	if rw {
		options, flags = options+",upperdir=child/diff,workdir=child/work", 0
	}
	at, err := os.MkdirTemp(root, "target-")
	if err != nil {
		return err
	}
	checked := false
	err = m.each(mountsARun, func() error {
		if err := unix.Mount("overlay", at, "overlay", flags, options); err != nil {
			return err
		}
		if !checked {
			if err := shows(at, layers); err != nil {
				return err
			}
			checked = true
		}
		return unix.Unmount(at, 0)
	})
	return errors.Join(err, os.Remove(at))
}
