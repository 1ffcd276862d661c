package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	moby "github.com/docker/docker/daemon/graphdriver"
	"github.com/docker/docker/daemon/graphdriver/overlay2"
	archive "github.com/moby/go-archive"
	"github.com/moby/sys/user"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
)

const (
	overlayNativeName = "overlay2, native"
	overlayWasmName   = "overlay2, wasm"
	unknownName       = "overlay2, wasm, no record of when it was made"
	mobyOverlayName   = "moby overlay2"
)

// container makes the layers of a stack, "layer0" and so on, and "child" on
// top of them, which was altered through its mount.
func container(d *drivers, layers []string) func(ctx context.Context, root string) error {
	return func(ctx context.Context, root string) error {
		return d.with(ctx, root, d.overlayNative(), func(drv *host.Completed) error {
			parent := ""
			for i, path := range layers {
				id := layerID(i)
				if err := drv.Create(ctx, id, parent, graphdriver.CreateOptions{}); err != nil {
					return err
				}
				if err := applyTo(ctx, drv, id, path); err != nil {
					return err
				}
				parent = id
			}
			if err := drv.CreateReadWrite(ctx, "child", parent, graphdriver.CreateOptions{}); err != nil {
				return err
			}
			at := filepath.Join(root, "mounted")
			if err := os.Mkdir(at, 0o755); err != nil {
				return err
			}
			if _, err := drv.MountAt(ctx, "child", "", at); err != nil {
				return err
			}
			did, err := alter(at)
			return errors.Join(err, saveFacts(alteredAt(root), did), drv.UnmountAt(ctx, at, false))
		})
	}
}

func layerID(i int) string { return fmt.Sprintf("layer%d", i) }

// parentsOf is who lies on whom in a container of n layers.
func parentsOf(n int) map[string]string {
	parents := map[string]string{"child": layerID(n - 1)}
	for i := 1; i < n; i++ {
		parents[layerID(i)] = layerID(i - 1)
	}
	return parents
}

// overlayLayers are the layers that overlay2 is measured with.
type overlayLayers struct {
	source
	name, about string
	paths       func() []string
}

func layerOf(in *input) overlayLayers {
	return overlayLayers{source: in, name: in.name, about: in.String(), paths: func() []string { return []string{in.path} }}
}

func layersOf(s *stack) overlayLayers {
	return overlayLayers{source: s, name: s.name, about: s.String(), paths: s.layers}
}

// changingOverlay measures Changes of a container on overlay2.
func changingOverlay(d *drivers, l overlayLayers) measurement {
	paths := l.paths()
	top, parents := layerID(len(paths)-1), parentsOf(len(paths))
	return measurement{
		name: "changes-overlay-" + l.name, about: "Changes of a container, 1 % altered, against " + l.about, needs: []source{l.source},
		shared: container(d, paths), skip: needsRoot(),
		variants: []variant{
			{name: overlayNativeName, run: d.changes(d.overlayNative(), top, nil)},
			{name: overlayWasmName, run: d.changes(d.overlayWasm(), top, nil)},
			{name: unknownName, run: d.changes(d.overlayWasm().unknown(), top, parents)},
			{name: mobyOverlayName, run: func(_ context.Context, root string, m *meter) error {
				drv, err := mobyOverlay(root)
				if err != nil {
					return err
				}
				return mobyChanges(root, m, func() ([]archive.Change, error) { return drv.Changes("child", top) })
			}},
		},
		goals: []goal{
			{of: overlayWasmName, to: overlayNativeName, wall: 1.10},
			{of: overlayWasmName, to: mobyOverlayName, wall: told, cpu: 0.7},
			{of: unknownName, to: mobyOverlayName, wall: told, cpu: 0.7},
		},
	}
}

// diffingOverlay measures Diff of a container on overlay2 against its parent.
func diffingOverlay(d *drivers, l overlayLayers) measurement {
	paths := l.paths()
	top, parents := layerID(len(paths)-1), parentsOf(len(paths))
	return measurement{
		name: "diff-overlay-" + l.name, about: "Diff of a container, 1 % altered, against " + l.about, needs: []source{l.source},
		shared: container(d, paths), skip: needsRoot(),
		variants: []variant{
			{name: overlayNativeName, run: d.diff(d.overlayNative(), "child", top, nil, alterations)},
			{name: overlayWasmName, run: d.diff(d.overlayWasm(), "child", top, nil, alterations)},
			{name: unknownName, run: d.diff(d.overlayWasm().unknown(), "child", top, parents, alterations)},
			{name: mobyOverlayName, run: mobyDiff("child", top, alterations)},
		},
		goals: overlayDiffGoals(),
	}
}

// diffingOverlayLayer measures Diff of a layer on overlay2 to nowhere.
func diffingOverlayLayer(d *drivers, in *input) measurement {
	return measurement{
		name: "diff-overlay-layer-" + in.name, about: "Diff of a whole layer, " + in.String(), needs: []source{in},
		shared: container(d, []string{in.path}), skip: needsRoot(),
		variants: []variant{
			{name: overlayNativeName, run: d.diff(d.overlayNative(), "layer0", "", nil, in.whole)},
			{name: overlayWasmName, run: d.diff(d.overlayWasm(), "layer0", "", nil, in.whole)},
			{name: mobyOverlayName, run: mobyDiff("layer0", "", in.whole)},
		},
		goals: overlayDiffGoals(),
	}
}

func overlayDiffGoals() []goal {
	return []goal{
		{of: overlayWasmName, to: overlayNativeName, wall: 1.10},
		{of: overlayWasmName, to: mobyOverlayName, wall: told, cpu: 0.5},
		{of: unknownName, to: mobyOverlayName, wall: told, cpu: 0.5},
	}
}

func mobyDiff(id, parent string, check archiveCheck) func(context.Context, string, *meter) error {
	return func(_ context.Context, root string, m *meter) error {
		drv, err := mobyOverlay(root)
		if err != nil {
			return err
		}
		return archiving(root, m, check, func() (io.ReadCloser, error) { return drv.Diff(id, parent) })
	}
}

// mobyOverlay is moby's overlay2 driver over the directories that ours made:
// the layout is the same.
func mobyOverlay(root string) (moby.Driver, error) {
	return overlay2.Init(filepath.Join(root, "overlay2"), nil, user.IdentityMapping{})
}

// needsRoot is why overlays are left out.
func needsRoot() string { return unlessRoot("only root mounts overlays") }

// unlessRoot is why something is left out, if this process is not root.
func unlessRoot(why string) string {
	if os.Geteuid() != 0 {
		return why
	}
	return ""
}
