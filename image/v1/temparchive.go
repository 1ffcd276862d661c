package v1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// TempArchive is an archive on disk that is gone once it has been read.
type TempArchive struct {
	// Size is its length in bytes.
	Size int64
	// Exact is that of LayerArchive.
	Exact bool

	file *os.File
	left int64
}

// TempLayerArchive writes the archive of an image's layer to disk. progress,
// if not nil, is told how many bytes there are so far.
func (g *Graph) TempLayerArchive(ctx context.Context, name string, progress func(bytes int64)) (_ *TempArchive, err error) {
	img, err := g.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	archive, err := g.TarLayer(ctx, img)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	file, err := g.tempFile()
	if err != nil {
		return nil, err
	}
	size, err := io.Copy(&counting{w: file, told: progress}, &until{ctx: ctx, r: archive})
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("buffer image %s to disk: %w", Short(img.ID), err), file.Close())
	}
	return &TempArchive{Size: size, Exact: archive.Exact, file: file, left: size}, nil
}

// tempFile is a file that has no name any more: however the process ends,
// nothing is left of it.
func (g *Graph) tempFile() (*os.File, error) {
	dir := g.opts.TempDir
	if !g.opts.ReadOnly {
		dir = filepath.Join(g.root, dirTmp)
		if err := g.makeDir(dir); err != nil {
			return nil, err
		}
	}
	f, err := os.CreateTemp(dir, prefixTmp)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Read gives the disk back as soon as it has returned the last byte.
func (t *TempArchive) Read(p []byte) (int, error) {
	if t.file == nil || t.left == 0 {
		if err := t.Close(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	n, err := t.file.Read(p[:min(int64(len(p)), t.left)])
	t.left -= int64(n)
	if err == io.EOF && t.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && t.left == 0 {
		err = t.Close()
	}
	return n, err
}

// Close gives the disk back. It may be called again.
func (t *TempArchive) Close() error {
	if t.file == nil {
		return nil
	}
	err := t.file.Close()
	t.file = nil
	return err
}

// counting tells how much has been written.
type counting struct {
	w    io.Writer
	n    int64
	told func(int64)
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if c.told != nil && n > 0 {
		c.told(c.n)
	}
	return n, err
}
