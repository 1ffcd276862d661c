package v1

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// LayerArchive is the uncompressed archive of a layer. It is to be closed.
type LayerArchive struct {
	io.ReadCloser
	// Exact: it is, byte for byte, the archive that the layer was made of, and
	// each file is checked against what was stored of it. Otherwise it is what
	// the driver tells of the differences to the parent, which nothing proves.
	Exact bool
}

// TarLayer returns the archive of an image's layer: the one that it was made
// of where there is tar-split data, else the driver's Diff. A file that is not
// what was stored is an error of Read that wraps image.ErrCorrupt.
func (g *Graph) TarLayer(ctx context.Context, img *Image) (*LayerArchive, error) {
	dir, err := g.place(img.ID)
	if err != nil {
		return nil, err
	}
	f, err := openRegular(filepath.Join(dir, fileTarData))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			g.opts.Log.Warn("tar-split data cannot be used", zap.String("image", img.ID), zap.Error(err))
		}
		diff, err := g.driver.Diff(ctx, img.ID, img.Parent)
		if err != nil {
			return nil, err
		}
		return &LayerArchive{ReadCloser: diff}, nil
	}
	a, err := g.assemble(ctx, img.ID, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &LayerArchive{ReadCloser: a, Exact: true}, nil
}

// files opens the files of a layer for reading.
func (g *Graph) files(ctx context.Context, id string) (graphdriver.FileGetCloser, error) {
	if d, ok := g.driver.(graphdriver.DiffGetterDriver); ok {
		files, err := d.DiffGetter(ctx, id)
		if !errors.Is(err, graphdriver.ErrNotSupported) {
			return files, err
		}
	}
	dir, err := g.driver.Get(ctx, id, "")
	if err != nil {
		return nil, err
	}
	put := func() error { return g.driver.Put(context.WithoutCancel(ctx), id) }
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, errors.Join(err, put())
	}
	return &tree{root: root, put: put}, nil
}

// tree reads files where a driver has made the layer available. No link leads
// out of it.
type tree struct {
	root *os.Root
	put  func() error
}

func (t *tree) Get(name string) (io.ReadCloser, error) {
	f, err := t.root.OpenFile(filepath.Join(".", filepath.Join("/", name)), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = errNotPlain
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (t *tree) Close() error { return errors.Join(t.root.Close(), t.put()) }
