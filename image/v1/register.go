package v1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/internal/durable"
)

// The steps that Options.Step is told of.
const (
	stepIntended = "intended" // what is coming is noted
	stepCreated  = "created"  // the driver knows the layer
	stepApplied  = "applied"  // the driver holds its tree
	stepWritten  = "written"  // the files are in _tmp, all is durable
	stepRenamed  = "renamed"  // the image can be seen
	stepTrashed  = "trashed"  // an image that is removed cannot be seen any more
)

// Register stores an image with the archive of its layer, compressed or not;
// nil is a layer without content. An image that is there already is left as
// it is. Whatever fails leaves neither image nor layer, and a directory that
// was in the way, of an image that cannot be used with this driver, is back.
//
// A layer that the driver has and the graph does not know is removed first,
// as the graph is the one that knows; but in a root that was not made here it
// is a *ForeignLayerError.
func (g *Graph) Register(ctx context.Context, d Descriptor, layerData io.Reader) error {
	id := d.ID()
	if err := ValidateID(id); err != nil {
		return err
	}
	if g.opts.ReadOnly {
		return image.ErrReadOnly
	}
	release, err := g.locks.Acquire(ctx, id, true)
	if err != nil {
		return err
	}
	defer release()
	return g.register(ctx, d, layerData)
}

// registered tells whether the image is there. One that is damaged is not;
// that it cannot be read just now is an error.
func (g *Graph) registered(id string) (bool, error) {
	if !g.index.has(id) {
		return false, nil
	}
	_, err := g.load(id)
	if err == nil {
		return true, nil
	}
	if errors.Is(err, image.ErrNotFound) || errors.Is(err, image.ErrCorrupt) {
		return false, nil
	}
	return false, err
}

func (g *Graph) register(ctx context.Context, d Descriptor, layerData io.Reader) error {
	id := d.ID()
	if there, err := g.registered(id); there || err != nil {
		return err
	}
	in, err := newIncoming(g, d)
	if err != nil {
		return fmt.Errorf("register image %s: %w", id, err)
	}
	if err := in.clear(ctx); err != nil {
		return fmt.Errorf("register image %s: %w", id, err)
	}
	err = in.store(ctx, layerData)
	if err != nil {
		err = in.undo(ctx, err)
	} else {
		err = in.settle()
	}
	if err != nil {
		return fmt.Errorf("register image %s: %w", id, err)
	}
	return nil
}

// incoming is one Register under way.
type incoming struct {
	g          *Graph
	id, parent string
	config     []byte
	noteParent bool   // json does not say the parent's ID
	created    bool   // the driver may have the layer, made here
	renamed    bool   // the directory is in place
	tmp        string // where it is made
	aside      string // what was in its place, or ""
	home       *os.File
}

func newIncoming(g *Graph, d Descriptor) (*incoming, error) {
	in := &incoming{g: g, id: d.ID(), parent: d.Parent()}
	if in.parent != "" {
		if err := ValidateID(in.parent); err != nil {
			return nil, fmt.Errorf("parent: %w", err)
		}
	}
	var err error
	if in.config, err = d.MarshalConfig(); err != nil {
		return nil, err
	}
	img, err := ParseImage(in.config)
	if err != nil {
		return nil, err
	}
	if img.ID != "" && img.ID != in.id {
		return nil, &WrongIDError{At: in.id, ID: img.ID}
	}
	in.noteParent = img.ParentID.Validate() == nil && img.ParentID.Encoded() != in.parent
	return in, nil
}

// clear takes away whatever has the place of the image.
func (in *incoming) clear(ctx context.Context) error {
	g := in.g
	stale, err := g.driver.Exists(ctx, in.id)
	if err != nil {
		return fmt.Errorf("driver %s: %w", g.opts.DriverName, err)
	}
	if stale {
		ours, err := g.ours()
		if err != nil {
			return err
		}
		if !ours {
			return &ForeignLayerError{ID: in.id, Driver: g.opts.DriverName, Root: g.opts.Root}
		}
	}
	if err := g.intend(in.id); err != nil {
		return err
	}
	g.opts.Step(stepIntended)
	if stale {
		if err := g.driver.Remove(ctx, in.id); err != nil {
			return fmt.Errorf("driver %s: remove what the graph does not know: %w", g.opts.DriverName, err)
		}
		g.index.remove(in.id)
	}
	return nil
}

func (in *incoming) store(ctx context.Context, layerData io.Reader) error {
	g := in.g
	if err := in.makeRoom(); err != nil {
		return err
	}
	in.created = true
	if err := g.driver.Create(ctx, in.id, in.parent, graphdriver.CreateOptions{}); err != nil {
		// What appeared since is not ours to undo.
		in.created = !errors.Is(err, graphdriver.ErrExists)
		return fmt.Errorf("driver %s failed to create the layer: %w", g.opts.DriverName, err)
	}
	g.opts.Step(stepCreated)
	var size int64
	if layerData != nil {
		var err error
		if size, err = g.unpack(ctx, in.id, in.parent, layerData, in.tmp); err != nil {
			return err
		}
	}
	g.opts.Step(stepApplied)
	if err := in.write(ctx, size); err != nil {
		return err
	}
	g.opts.Step(stepWritten)
	if err := os.Rename(in.tmp, g.dir(in.id)); err != nil {
		return err
	}
	in.renamed = true
	if err := durable.SyncDir(g.root); err != nil {
		return err
	}
	g.opts.Step(stepRenamed)
	g.index.add(in.id)
	return nil
}

// makeRoom sets aside a directory of the image's name, which is there where
// the root was used with another driver, and makes the one to write to.
func (in *incoming) makeRoom() (err error) {
	g := in.g
	home := filepath.Join(g.opts.Root, g.opts.DriverName)
	if in.home, err = os.Open(home); errors.Is(err, fs.ErrNotExist) {
		in.home, err = os.Open(g.opts.Root)
	}
	if err != nil {
		return err
	}
	if in.tmp, err = g.tempDir(); err != nil {
		return err
	}
	_, err = os.Lstat(g.dir(in.id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	aside := in.tmp + "-aside"
	if err := os.Rename(g.dir(in.id), aside); err != nil {
		return err
	}
	in.aside = aside
	return nil
}

// write puts the files beside the layer and makes all of it durable.
func (in *incoming) write(ctx context.Context, size int64) error {
	if err := writeSize(in.tmp, size); err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(in.tmp, fileJSON), in.config, 0o600); err != nil {
		return err
	}
	if in.noteParent {
		if err := durable.WriteFile(filepath.Join(in.tmp, fileParent), []byte(in.parent), 0o600); err != nil {
			return err
		}
	}
	if d, ok := in.g.driver.(graphdriver.Syncer); ok {
		if err := d.SyncLayers(ctx, in.id); err != nil {
			return fmt.Errorf("driver %s: sync: %w", in.g.opts.DriverName, err)
		}
	} else if err := unix.Syncfs(int(in.home.Fd())); err != nil {
		return fmt.Errorf("sync the file system of %s: %w", in.home.Name(), err)
	}
	return in.g.seal(ctx, in.id)
}

// undo takes back what store did. It goes on when ctx is done: what is left
// would be found by the next Open only.
func (in *incoming) undo(ctx context.Context, cause error) error {
	g := in.g
	var errs []error
	if in.renamed {
		errs = append(errs, os.RemoveAll(g.dir(in.id)))
	}
	if in.created {
		if err := g.driver.Remove(context.WithoutCancel(ctx), in.id); err != nil {
			errs = append(errs, fmt.Errorf("driver %s: remove the layer again: %w", g.opts.DriverName, err))
		}
	}
	if in.aside != "" {
		errs = append(errs, os.Rename(in.aside, g.dir(in.id)))
	}
	if in.tmp != "" {
		errs = append(errs, os.RemoveAll(in.tmp))
	}
	if err := errors.Join(errs...); err != nil {
		return errors.Join(cause, err, in.close())
	}
	if err := errors.Join(g.forget(in.id), in.close()); err != nil {
		return errors.Join(cause, err)
	}
	return cause
}

// settle removes what is not needed any more once the image is in place.
func (in *incoming) settle() error {
	errs := []error{in.g.forget(in.id), in.close()}
	if in.aside != "" {
		errs = append(errs, os.RemoveAll(in.aside))
	}
	return errors.Join(errs...)
}

func (in *incoming) close() error {
	if in.home == nil {
		return nil
	}
	return in.home.Close()
}
