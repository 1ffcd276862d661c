// Package plaindriver is a graph driver for the tests of images: a directory
// per layer that holds what the layer brought, made with plain file calls.
// It tells no differences and mounts nothing, and is no driver to use. It may
// import graphdriver.
package plaindriver

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// Driver keeps layers beneath Home, which has to exist.
type Driver struct{ Home string }

func (d Driver) dir(id string) string { return filepath.Join(d.Home, id) }

func (d Driver) String() string { return "plain" }

func (d Driver) CreateReadWrite(ctx context.Context, id, parent string, opts graphdriver.CreateOptions) error {
	return d.Create(ctx, id, parent, opts)
}

func (d Driver) Create(_ context.Context, id, _ string, _ graphdriver.CreateOptions) error {
	if err := graphdriver.ValidateID(id); err != nil {
		return err
	}
	err := os.Mkdir(d.dir(id), 0o755)
	if errors.Is(err, fs.ErrExist) {
		return graphdriver.ErrExists
	}
	return err
}

func (d Driver) Remove(_ context.Context, id string) error { return os.RemoveAll(d.dir(id)) }

func (d Driver) Get(_ context.Context, id, _ string) (string, error) { return d.dir(id), nil }

func (d Driver) Put(context.Context, string) error { return nil }

func (d Driver) Exists(_ context.Context, id string) (bool, error) {
	_, err := os.Lstat(d.dir(id))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (d Driver) Status(context.Context) ([]graphdriver.Pair, error) { return nil, nil }

func (d Driver) GetMetadata(_ context.Context, id string) (map[string]string, error) {
	return map[string]string{"Dir": d.dir(id)}, nil
}

func (d Driver) Cleanup(context.Context) error { return nil }

func (d Driver) Diff(context.Context, string, string) (io.ReadCloser, error) {
	return nil, graphdriver.ErrNotSupported
}

func (d Driver) Changes(context.Context, string, string) ([]graphdriver.Change, error) {
	return nil, graphdriver.ErrNotSupported
}

func (d Driver) DiffSize(context.Context, string, string) (int64, error) {
	return 0, graphdriver.ErrNotSupported
}

// ApplyDiff writes directories and regular files; of all else it keeps
// nothing, since no archive's bytes depend on it.
func (d Driver) ApplyDiff(ctx context.Context, id, _ string, diff io.Reader) (size int64, err error) {
	tr := tar.NewReader(diff)
	for {
		if err := ctx.Err(); err != nil {
			return size, err
		}
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, diff)
			return size, err
		}
		if err != nil {
			return size, fmt.Errorf("apply to %s: %w", id, err)
		}
		path := filepath.Join(d.dir(id), filepath.Join("/", hdr.Name))
		switch hdr.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(path, 0o755)
		case tar.TypeReg:
			size += hdr.Size
			err = writeFile(path, tr)
		}
		if err != nil {
			return size, err
		}
	}
}

func writeFile(path string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// DiffGetter reads the files of one layer.
func (d Driver) DiffGetter(_ context.Context, id string) (graphdriver.FileGetCloser, error) {
	return getter(d.dir(id)), nil
}

type getter string

func (g getter) Get(name string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(string(g), filepath.Join("/", name)))
}

func (getter) Close() error { return nil }
