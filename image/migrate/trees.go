package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// treesOf says where drivers of that time keep the files that a layer brought,
// with those beneath it or without: <driver>/<before>/<id>/<after>.
var treesOf = map[string][2]string{
	"aufs":    {"diff", ""},
	"btrfs":   {"subvolumes", ""},
	"overlay": {"", "root"},
	"vfs":     {"dir", ""},
}

// ErrNoDriver: layers of a driver cannot be read here.
var ErrNoDriver = errors.New("its layers cannot be read without it")

// TreeDrivers are the drivers of which Trees can read layers, sorted.
func TreeDrivers() []string { return slices.Sorted(maps.Keys(treesOf)) }

// Trees stands for a driver of that time to a graph that is opened to read. It
// knows where the files of a layer are, and nothing else: archives are put
// together from tar-split data and these, as the driver itself would have it;
// what differs between layers it cannot tell. Errors: ErrNoDriver.
func Trees(root, driver string) (graphdriver.DiffGetterDriver, error) {
	where, ok := treesOf[driver]
	if !ok {
		return nil, fmt.Errorf("driver %s: %w (without are: %s): configure a module for it under drivers, or let a Docker from 1.10 to 18.09 migrate the root, and take its images with docker save",
			driver, ErrNoDriver, strings.Join(TreeDrivers(), ", "))
	}
	return trees{name: driver, before: filepath.Join(root, driver, where[0]), after: where[1]}, nil
}

type trees struct{ name, before, after string }

var _ graphdriver.DiffGetterDriver = trees{}

func (t trees) cannot(what string) error {
	return fmt.Errorf("%w: without driver %s nothing tells %s", graphdriver.ErrNotSupported, t.name, what)
}

func (t trees) dir(id string) string { return filepath.Join(t.before, id, t.after) }

func (t trees) String() string { return t.name }

func (t trees) Exists(_ context.Context, id string) (bool, error) {
	if err := graphdriver.ValidateID(id); err != nil {
		return false, err
	}
	for _, dir := range []string{filepath.Join(t.before, id), t.dir(id)} { // no link in place of either
		fi, err := os.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			return false, nil
		}
		if err != nil || !fi.IsDir() {
			return false, err
		}
	}
	return true, nil
}

// DiffGetter reads files beneath a layer's directory. No link leads out of it.
func (t trees) DiffGetter(ctx context.Context, id string) (graphdriver.FileGetCloser, error) {
	if ok, err := t.Exists(ctx, id); err != nil || !ok {
		return nil, errors.Join(err, graphdriver.ErrNotFound)
	}
	root, err := os.OpenRoot(t.dir(id))
	if err != nil {
		return nil, err
	}
	return files{root}, nil
}

type files struct{ *os.Root }

func (f files) Get(name string) (io.ReadCloser, error) {
	name = filepath.Join(".", filepath.Join("/", name))
	// Looked at before it is opened, which of a device may do something.
	fi, err := f.Lstat(name)
	if err == nil {
		err = regular(fi)
	}
	if err != nil {
		return nil, err
	}
	file, err := f.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if fi, err = file.Stat(); err == nil {
		err = regular(fi)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func regular(fi fs.FileInfo) error {
	if !fi.Mode().IsRegular() {
		return fmt.Errorf("not a regular file: %w", graphdriver.ErrCorrupt)
	}
	return nil
}

func (t trees) Diff(context.Context, string, string) (io.ReadCloser, error) {
	return nil, t.cannot("what a layer without tar-split data brought")
}

func (t trees) Changes(context.Context, string, string) ([]graphdriver.Change, error) {
	return nil, t.cannot("what differs")
}

func (t trees) DiffSize(context.Context, string, string) (int64, error) {
	return 0, t.cannot("the size of a layer")
}

func (t trees) Get(context.Context, string, string) (string, error) {
	return "", t.cannot("where a layer is to be mounted")
}

func (trees) Put(context.Context, string) error { return nil }

func (trees) Status(context.Context) ([]graphdriver.Pair, error) { return nil, nil }

func (trees) GetMetadata(context.Context, string) (map[string]string, error) { return nil, nil }

func (trees) Cleanup(context.Context) error { return nil }

func (t trees) CreateReadWrite(context.Context, string, string, graphdriver.CreateOptions) error {
	return t.cannot("how a layer is made")
}

func (t trees) Create(context.Context, string, string, graphdriver.CreateOptions) error {
	return t.cannot("how a layer is made")
}

func (t trees) Remove(context.Context, string) error { return t.cannot("how a layer is removed") }

func (t trees) ApplyDiff(context.Context, string, string, io.Reader) (int64, error) {
	return 0, t.cannot("how a layer is made")
}
