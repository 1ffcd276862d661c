package archive

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/bulkhead/bulkhead/image/internal/fifo"
	"github.com/bulkhead/bulkhead/layer"
)

// SaveOptions say how to save. The zero value is the usual way.
type SaveOptions struct {
	// Format is by default DockerArchive.
	Format Format
	// Since are images whose layers are left out, named as for Save. Such an
	// archive can be loaded where they are.
	Since []string
	// Progress may be nil.
	Progress Progress
}

func (o SaveOptions) fill() SaveOptions {
	if o.Format == "" {
		o.Format = DockerArchive
	}
	if o.Progress == nil {
		o.Progress = silent{}
	}
	return o
}

// Save writes images, named as for pick, to path. Every layer is verified
// while it is read. The file appears only when it is complete and durable;
// after an error nothing is left and what was there before still is. The
// same images under the same names make the same bytes, always.
//
// Something at path that is no file, such as a device or a named pipe, is
// written to as SaveTo does. Damage is an error that wraps layer.ErrCorrupt.
func Save(ctx context.Context, from Stores, names []string, path string, opts SaveOptions) error {
	opts = opts.fill()
	images, err := pick(from.Images, names)
	if err != nil {
		return err
	}
	since, err := newSince(from.Images, images, opts.Since)
	if err != nil {
		return err
	}
	if opts.Format == OCIDir {
		return saveDir(ctx, newSaver(from.Layers, images, since, opts), path)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() && !fi.IsDir() {
		return writeSpecial(ctx, path, func(w io.Writer) error { return SaveTo(ctx, from, names, w, opts) })
	}
	return saveFile(ctx, newSaver(from.Layers, images, since, opts), path)
}

// SaveTo is Save to a stream, which cannot be taken back: all layers are
// read and verified before the first byte is written.
func SaveTo(ctx context.Context, from Stores, names []string, w io.Writer, opts SaveOptions) error {
	opts = opts.fill()
	if opts.Format == OCIDir {
		return errDirToStream
	}
	images, err := pick(from.Images, names)
	if err != nil {
		return err
	}
	since, err := newSince(from.Images, images, opts.Since)
	if err != nil {
		return err
	}
	s := newSaver(from.Layers, images, since, opts)
	sizes, err := s.measure(ctx)
	if err != nil {
		return err
	}
	return s.write(ctx, &streamSink{tarWriter: tarWriter{w: w}, sizes: sizes})
}

// writeSpecial writes to a device or a named pipe.
func writeSpecial(ctx context.Context, path string, write func(io.Writer) error) error {
	f, err := fifo.Open(ctx, path, os.O_WRONLY)
	if err != nil {
		return err
	}
	err = write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// saver is one Save under way.
type saver struct {
	layers *layer.Store
	images []*selected
	since  *since
	opts   SaveOptions
}

func newSaver(layers *layer.Store, images []*selected, since *since, opts SaveOptions) *saver {
	return &saver{layers: layers, images: images, since: since, opts: opts}
}

// eachLayer calls do with every layer of the images once, with a reference
// held on it, in the images' order and from the lowest up.
func (s *saver) eachLayer(do func(layer.Layer) error) error {
	seen := map[layer.DiffID]struct{}{}
	for _, sel := range s.images {
		for i, chain := range sel.img.Chain() {
			id := layer.DiffID(sel.img.RootFS.DiffIDs[i])
			if _, ok := seen[id]; ok {
				continue
			}
			seen[id] = struct{}{}
			l, err := s.layers.Get(chain)
			if err != nil {
				return saveError(sel, i, id, err)
			}
			err = do(l)
			if _, rerr := s.layers.Release(context.Background(), l); err == nil {
				err = rerr
			}
			if err != nil {
				return saveError(sel, i, id, err)
			}
		}
	}
	return nil
}

// measure reads all layers, which verifies them, and returns their sizes.
func (s *saver) measure(ctx context.Context) (map[layer.DiffID]int64, error) {
	sizes := map[layer.DiffID]int64{}
	err := s.eachLayer(func(l layer.Layer) error {
		n, err := copyLayer(ctx, io.Discard, l, silent{})
		sizes[l.DiffID()] = n
		return err
	})
	return sizes, err
}
