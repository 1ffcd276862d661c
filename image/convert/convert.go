package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/layer"
)

// Options are what Run takes beside the stores. The zero value asks for nothing.
type Options struct {
	// Progress is told of the layers' archives; nil for nobody.
	Progress archive.Progress
	// Stored, if not nil, is told of each image as soon as it is durable.
	Stored func(image.ID)
}

// Result is what Run did.
type Result struct {
	// Stored are the images that came over, Already those that were there.
	Stored, Already []image.ID
	// Names are how many names the images were given.
	Names int
	// Left are what stays with the old driver alone, each with the reason.
	Left []Left
}

// Left is something that did not come over.
type Left struct {
	// What it is: "image", "name" or "container", and its name.
	Kind, Name string
	Why        error
}

func (l Left) Error() string { return fmt.Sprintf("%s %s: %v", l.Kind, l.Name, l.Why) }

func (l Left) Unwrap() error { return l.Why }

// ErrContainer: a container's layer is one of its driver, and stays.
var ErrContainer = errors.New("a container's layer belongs to its driver: commit it first, or create the container anew")

// ErrNameTaken: the name is another image's there.
var ErrNameTaken = errors.New("the name is another image's there")

// Run brings all images of from into to. from is only read, and opened so; to
// is open to write. What is damaged is passed over and told in the result.
// Images that are there already, from an earlier Run or otherwise, are not
// read again. An error ends it; what was stored before stays.
func Run(ctx context.Context, from, to archive.Stores, opts Options) (done Result, err error) {
	c := &conversion{from: from, to: to, opts: opts}
	if c.opts.Stored == nil {
		c.opts.Stored = func(image.ID) {}
	}
	ids := from.Images.IDs()
	slices.Sort(ids)
	for _, id := range ids {
		if err := c.image(ctx, id); err != nil {
			return c.done, err
		}
	}
	if err := c.notes(ctx); err != nil {
		return c.done, err
	}
	if err := c.names(ctx); err != nil {
		return c.done, err
	}
	for _, rw := range from.Layers.RWLayers() {
		c.left("container", rw.Name(), ErrContainer)
	}
	return c.done, nil
}

type conversion struct {
	from, to archive.Stores
	opts     Options
	done     Result
}

func (c *conversion) left(kind, name string, why error) {
	c.done.Left = append(c.done.Left, Left{kind, name, why})
}

// there tells whether an image is in the new store, whole.
func (c *conversion) there(id image.ID) bool {
	_, err := c.to.Images.Get(id)
	return err == nil
}

func (c *conversion) image(ctx context.Context, id image.ID) error {
	if c.there(id) {
		c.done.Already = append(c.done.Already, id)
		return nil
	}
	img, err := c.from.Images.Get(id)
	if err != nil {
		c.left("image", id.Short(), err)
		return nil
	}
	err = c.store(ctx, img)
	switch {
	case err == nil:
		c.done.Stored = append(c.done.Stored, id)
		c.opts.Stored(id)
	case ctx.Err() == nil && (errors.Is(err, layer.ErrCorrupt) || errors.Is(err, layer.ErrNotFound)):
		c.left("image", id.Short(), err)
	default:
		return fmt.Errorf("image %s: %w", id.Short(), err)
	}
	return nil
}

// store brings one image over. Its layers are committed together.
func (c *conversion) store(ctx context.Context, img *image.Image) (err error) {
	ses, err := c.to.Layers.NewSession(ctx)
	if err != nil {
		return err
	}
	var held []layer.Layer
	defer func() {
		after := context.WithoutCancel(ctx)
		for _, l := range held {
			if _, rerr := c.to.Layers.Release(after, l); !errors.Is(rerr, layer.ErrNotRetained) {
				err = errors.Join(err, rerr)
			}
		}
		err = errors.Join(err, ses.Close(after))
	}()
	chain := img.Config.Chain()
	if err := ses.Expect(ctx, c.missing(chain)); err != nil {
		return err
	}
	var parent layer.ChainID
	for i, id := range chain {
		l, err := ses.Get(id)
		if errors.Is(err, layer.ErrNotFound) {
			l, err = c.layer(ctx, ses, id, parent)
		}
		if err != nil {
			return fmt.Errorf("layer %d of %d: %w", i+1, len(chain), err)
		}
		held, parent = append(held, l), id
	}
	if err := ses.Commit(ctx); err != nil {
		return err
	}
	_, err = c.to.Images.Create(ctx, img.Raw)
	return err
}

func (c *conversion) missing(chain []layer.ChainID) []layer.ChainID {
	there := c.to.Layers.Map()
	return slices.DeleteFunc(slices.Clone(chain), func(id layer.ChainID) bool { return there[id] != nil })
}

// layer takes one layer over. Its archive is verified where it comes from and
// where it goes to.
func (c *conversion) layer(ctx context.Context, ses *layer.Session, id, parent layer.ChainID) (_ layer.Layer, err error) {
	old, err := c.from.Layers.Get(id)
	if err != nil {
		return nil, err
	}
	defer func() {
		_, rerr := c.from.Layers.Release(context.WithoutCancel(ctx), old)
		err = errors.Join(err, rerr)
	}()
	descriptor, err := old.Descriptor()
	if err != nil {
		return nil, err
	}
	r, err := old.TarStream(ctx)
	if err != nil {
		return nil, err
	}
	watch := c.watch(r, old.DiffID())
	l, err := ses.Register(ctx, watch, parent, layer.RegisterOptions{Expected: old.DiffID(), Descriptor: descriptor})
	if err = errors.Join(err, r.Close()); err == nil {
		watch.done()
	}
	return l, err
}

// watched tells how far an archive was read. How long it is nobody knows.
type watched struct {
	io.Reader
	id layer.DiffID
	to archive.Progress
}

func (c *conversion) watch(r io.Reader, id layer.DiffID) *watched {
	if c.opts.Progress != nil {
		c.opts.Progress.Start(id, -1)
	}
	return &watched{r, id, c.opts.Progress}
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if w.to != nil {
		w.to.Advance(w.id, int64(n))
	}
	return n, err
}

func (w *watched) done() {
	if w.to != nil {
		w.to.Done(w.id)
	}
}

// notes brings over which image was built on which, and when each was tagged.
func (c *conversion) notes(ctx context.Context) error {
	for _, id := range c.from.Images.IDs() {
		img, err := c.from.Images.Get(id)
		if err != nil || !c.there(id) {
			continue
		}
		now, err := c.to.Images.Get(id)
		if err != nil {
			return err
		}
		if img.Parent != "" && now.Parent == "" && c.there(img.Parent) {
			if err := c.to.Images.SetParent(ctx, id, img.Parent); err != nil {
				return err
			}
		}
		if at := c.from.Images.LastTagged(id); !at.IsZero() && c.to.Images.LastTagged(id).IsZero() {
			if err := c.to.Images.SetLastTagged(id, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// names gives the images their names, in one step. A name that is another
// image's by now stays that one's.
func (c *conversion) names(ctx context.Context) error {
	var all []image.Name
	for _, id := range c.from.Images.IDs() {
		for _, ref := range c.from.Images.References(id) {
			has, err := c.to.Images.Refs().Get(ref)
			switch {
			case !c.there(id):
				c.left("name", reference.FamiliarString(ref), fmt.Errorf("image %s did not come over", id.Short()))
			case err != nil:
				all = append(all, image.Name{Ref: ref, ID: id})
			case image.ID(has) != id:
				c.left("name", reference.FamiliarString(ref), ErrNameTaken)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b image.Name) int { return strings.Compare(a.Ref.String(), b.Ref.String()) })
	if _, err := c.to.Images.SetRefs(ctx, all); err != nil {
		return err
	}
	c.done.Names = len(all)
	return nil
}
