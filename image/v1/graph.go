package v1

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layerlock"
	"github.com/bulkhead/bulkhead/image"
)

// Graph is the images of one driver beneath one root. Methods may be called
// concurrently. There is nothing to close.
type Graph struct {
	opts     Options
	root     string // <root>/graph
	driver   graphdriver.Driver
	index    *index
	bare     []string         // see Bare
	locks    *layerlock.Table // by image ID
	retained *retained
}

// prefixTmp begins the names beneath _tmp that are ours to sweep.
const prefixTmp = "bulkhead-"

// Open finds the images: every directory named by an ID whose layer the
// driver has. One whose content is damaged is among them, and an error when
// it is asked for.
//
// Opened to write, the directory is made if it is not there, and what a crash
// left of a Register or a Delete is removed. Opened to read, a root without a
// graph is an empty graph.
func Open(ctx context.Context, opts Options) (*Graph, error) {
	opts, err := opts.fill()
	if err != nil {
		return nil, err
	}
	g := &Graph{
		opts: opts, root: filepath.Join(opts.Root, "graph"), driver: opts.Driver,
		locks: layerlock.New(), retained: newRetained(),
	}
	if !opts.ReadOnly {
		if err := g.prepare(ctx); err != nil {
			return nil, fmt.Errorf("graph: %w", err)
		}
	}
	if err := g.restore(ctx); err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	return g, nil
}

// prepare makes the directory, marks a root that had nothing as ours, and
// sweeps _tmp.
func (g *Graph) prepare(ctx context.Context) error {
	if err := g.markIfNew(ctx); err != nil {
		return err
	}
	if err := g.makeDir(g.root); err != nil {
		return err
	}
	tmp := filepath.Join(g.root, dirTmp)
	if err := g.makeDir(tmp); err != nil {
		return err
	}
	entries, err := os.ReadDir(tmp)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefixTmp) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(tmp, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// restore builds the index.
func (g *Graph) restore(ctx context.Context) error {
	g.index = newIndex(nil)
	entries, err := os.ReadDir(g.root)
	if errors.Is(err, fs.ErrNotExist) && g.opts.ReadOnly {
		return nil
	}
	if err != nil {
		return err
	}
	if !g.opts.ReadOnly {
		if err := g.finishIntents(ctx); err != nil {
			return err
		}
	}
	var ids []string
	for _, e := range entries {
		id := e.Name()
		if ValidateID(id) != nil {
			continue
		}
		known, err := g.driver.Exists(ctx, id)
		if err != nil {
			return fmt.Errorf("driver %s: %w", g.opts.DriverName, err)
		}
		if known {
			ids = append(ids, id)
		} else {
			g.bare = append(g.bare, id)
		}
	}
	g.index = newIndex(ids)
	g.opts.Log.Debug("graph restored", zap.Int("images", len(ids)))
	g.tellParents()
	return g.seal(ctx, ids...)
}

// IDs are those of all images, damaged ones too, sorted.
func (g *Graph) IDs() []string { return g.index.all() }

// Bare are the IDs that had a directory, but no layer in the driver, when the
// graph was opened: images of another driver, or what was left of some.
func (g *Graph) Bare() []string { return slices.Clone(g.bare) }

// tellParents tells the driver which of its layers lies on which.
func (g *Graph) tellParents() {
	d, ok := g.driver.(graphdriver.Genealogist)
	if !ok {
		return
	}
	parents := map[string]string{}
	for _, id := range g.index.all() {
		img, err := g.load(id)
		if err != nil {
			g.opts.Log.Info("image cannot be used", zap.String("image", id), zap.Error(err))
			continue
		}
		parents[id] = img.Parent
	}
	d.SetParents(parents)
}

func (g *Graph) seal(ctx context.Context, ids ...string) error {
	d, ok := g.driver.(graphdriver.Sealer)
	if !ok || len(ids) == 0 {
		return nil
	}
	if err := d.Seal(ctx, ids...); err != nil {
		return fmt.Errorf("seal layers in driver %s: %w", g.opts.DriverName, err)
	}
	return nil
}

// Exists tells whether Get would return an image.
func (g *Graph) Exists(ctx context.Context, name string) bool {
	_, err := g.Get(ctx, name)
	return err == nil
}

// Get returns the image whose ID is name, or the one whose ID begins so. A
// size that is not noted is asked of the driver, and noted. Errors:
// *NotFoundError, image.ErrAmbiguous, image.ErrTooShort, *CorruptError,
// *WrongIDError.
func (g *Graph) Get(ctx context.Context, name string) (*Image, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	id, err := g.index.find(name)
	if err != nil {
		return nil, fmt.Errorf("could not find image: %w", err)
	}
	img, err := g.load(id)
	if err != nil || img.Size >= 0 {
		return img, err
	}
	release, err := g.locks.Acquire(ctx, id, true)
	if err != nil {
		return nil, err
	}
	defer release()
	return g.sized(ctx, id)
}

// Unsized is Get of a whole ID, without asking the driver for a size that is
// not noted: it is below 0 then.
func (g *Graph) Unsized(ctx context.Context, id string) (*Image, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !g.index.has(id) {
		return nil, fmt.Errorf("could not find image: %w", &NotFoundError{Name: id})
	}
	return g.load(id)
}

// sized loads an image that the caller has locked, with its size.
func (g *Graph) sized(ctx context.Context, id string) (*Image, error) {
	img, err := g.load(id)
	if err != nil || img.Size >= 0 {
		return img, err
	}
	img.Size, err = g.driver.DiffSize(ctx, id, img.Parent)
	if err != nil {
		return nil, fmt.Errorf("unable to calculate the size of image %s: %w", id, err)
	}
	if img.Size < 0 {
		return nil, fmt.Errorf("driver %s: says image %s has %d bytes: %w", g.opts.DriverName, id, img.Size, graphdriver.ErrInvalid)
	}
	if g.opts.ReadOnly {
		return img, nil
	}
	return img, writeSize(g.dir(id), img.Size)
}

// RawJSON returns the file json as it is. Errors: ErrInvalidID,
// *NotFoundError, *CorruptError.
func (g *Graph) RawJSON(id string) ([]byte, error) {
	dir, err := g.place(id)
	if err != nil {
		return nil, fmt.Errorf("read the json of an image: %w", err)
	}
	raw, err := readRegular(filepath.Join(dir, fileJSON), image.MaxConfigSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFoundError{Name: id, Cause: err}
	}
	if err != nil {
		return nil, fmt.Errorf("read the json of image %s: %w", id, damage(id, err))
	}
	return raw, nil
}
