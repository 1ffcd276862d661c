package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"

	archive "github.com/moby/go-archive"
	"github.com/moby/sys/user"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
)

// twoLayers makes a layer and a child of it that was altered.
func twoLayers(d *drivers, in *input) func(ctx context.Context, root string) error {
	return func(ctx context.Context, root string) error {
		return d.with(ctx, root, d.native(), func(drv *host.Completed) error {
			if err := drv.Create(ctx, "base", "", graphdriver.CreateOptions{}); err != nil {
				return err
			}
			if err := applyTo(ctx, drv, "base", in.path); err != nil {
				return err
			}
			if err := drv.Create(ctx, "child", "base", graphdriver.CreateOptions{}); err != nil {
				return err
			}
			did, err := alter(layerTree(root, "child"))
			return errors.Join(err, saveFacts(alteredAt(root), did))
		})
	}
}

func layerTree(root, layer string) string { return filepath.Join(root, "vfs", "dir", layer) }

// changing measures Changes: a layer against its parent.
func changing(d *drivers, in *input) measurement {
	return measurement{
		name: "changes-" + in.name, about: "Changes of a child, 1 % altered, against " + in.String(), needs: []source{in},
		shared: twoLayers(d, in),
		variants: []variant{
			{name: nativeName, run: d.changes(d.native(), "base", nil)},
			{name: wasmName, run: d.changes(d.wasm(), "base", nil)},
			{name: processName, run: d.changes(d.inProcess(), "base", nil)},
			{name: mobyName, run: func(_ context.Context, root string, m *meter) error {
				return mobyChanges(root, m, func() ([]archive.Change, error) {
					return archive.ChangesDirs(layerTree(root, "child"), layerTree(root, "base"))
				})
			}},
		},
		goals: []goal{{of: wasmName, to: nativeName, wall: 1.10}, {of: processName, to: wasmName, wall: 1.15}},
	}
}

// changes runs Changes of the layer child against parent; parents is what the
// host is told of layers that it has no records of.
func (d *drivers) changes(f form, parent string, parents map[string]string) func(context.Context, string, *meter) error {
	return func(ctx context.Context, root string, m *meter) error {
		var did altered
		if err := loadFacts(alteredAt(root), &did); err != nil {
			return err
		}
		return d.with(ctx, root, f, func(drv *host.Completed) error {
			drv.SetParents(parents)
			return m.each(5, func() error {
				cs, err := drv.Changes(ctx, "child", parent)
				if err != nil {
					return err
				}
				var n [3]int
				for _, c := range cs {
					n[c.Kind]++
				}
				return did.found(n[graphdriver.Added], n[graphdriver.Modified], n[graphdriver.Deleted])
			})
		})
	}
}

// mobyChanges is the same for moby's lists.
func mobyChanges(root string, m *meter, list func() ([]archive.Change, error)) error {
	var did altered
	if err := loadFacts(alteredAt(root), &did); err != nil {
		return err
	}
	return m.again(func() error {
		cs, err := list()
		if err != nil {
			return err
		}
		var n [3]int
		for _, c := range cs {
			n[c.Kind]++
		}
		return did.found(n[archive.ChangeAdd], n[archive.ChangeModify], n[archive.ChangeDelete])
	})
}

// diffing measures Diff: a tree becomes an archive.
func diffing(d *drivers, in *input) measurement {
	return measurement{
		name: "diff-" + in.name, about: "Diff of a whole layer, " + in.String(), needs: []source{in},
		shared: twoLayers(d, in),
		variants: []variant{
			{name: nativeName, run: d.diff(d.native(), "base", "", nil, in.whole)},
			{name: wasmName, run: d.diff(d.wasm(), "base", "", nil, in.whole)},
			{name: processName, run: d.diff(d.inProcess(), "base", "", nil, in.whole)},
			{name: mobyName, run: func(_ context.Context, root string, m *meter) error {
				return archiving(root, m, in.whole, func() (io.ReadCloser, error) {
					cs, err := archive.ChangesDirs(layerTree(root, "base"), "")
					if err != nil {
						return nil, err
					}
					return archive.ExportChanges(layerTree(root, "base"), cs, user.IdentityMapping{})
				})
			}},
		},
		goals: []goal{{of: wasmName, to: nativeName, wall: 1.10}, {of: processName, to: wasmName, wall: 1.15}},
	}
}

// whole checks an archive of the whole layer.
func (in *input) whole(_ string, files, _ int) error {
	return expect("files in the archive", files, in.Files)
}

// alterations checks an archive of what was altered.
func alterations(root string, files, whiteouts int) error {
	var did altered
	if err := loadFacts(alteredAt(root), &did); err != nil {
		return err
	}
	return did.archived(files, whiteouts)
}

// diff runs Diff.
func (d *drivers) diff(f form, id, parent string, parents map[string]string, check archiveCheck) func(context.Context, string, *meter) error {
	return func(ctx context.Context, root string, m *meter) error {
		return d.with(ctx, root, f, func(drv *host.Completed) error {
			drv.SetParents(parents)
			return archiving(root, m, check, func() (io.ReadCloser, error) { return drv.Diff(ctx, id, parent) })
		})
	}
}

// archiveCheck is told what lies in an archive.
type archiveCheck func(root string, files, whiteouts int) error

// archiving measures an archive's making. What is in it is looked at the first
// time, which does not count; the second time it has to be as long.
func archiving(root string, m *meter, check archiveCheck, open func() (io.ReadCloser, error)) error {
	r, err := open()
	if err != nil {
		return err
	}
	files, whiteouts := 0, 0
	counted := &counter{r: r}
	err = eachEntry(counted, func(h *tar.Header) {
		switch base := path.Base(h.Name); {
		case strings.HasPrefix(base, ".wh."):
			whiteouts++
		case h.Typeflag == tar.TypeReg:
			files++
		}
	})
	if err == nil {
		_, err = io.Copy(io.Discard, counted)
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	if err := check(root, files, whiteouts); err != nil {
		return err
	}
	return m.each(oftenEnough(counted.n), func() error {
		r, err := open()
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, r)
		if err = errors.Join(err, r.Close()); err == nil && n != counted.n {
			err = fmt.Errorf("the archive had %d bytes and then %d", counted.n, n)
		}
		return err
	})
}

// oftenEnough is how many archives of a size are made in one run: one of a few
// milliseconds says more of the machine than of who made it.
func oftenEnough(size int64) int {
	if size < 16<<20 {
		return 20
	}
	return 3
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
