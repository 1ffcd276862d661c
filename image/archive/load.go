package archive

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/layer"
)

// Stores are where images come from and go to. Both are of one driver
// beneath one root.
type Stores struct {
	Images *image.Store
	Layers *layer.Store
}

// Loaded is one image that an archive held.
type Loaded struct {
	ID image.ID
	// Names are familiar references; none if the archive gives none.
	Names []string
	// Moved are the names that another image had until now.
	Moved []Moved
}

// Moved is a name that was taken from an image.
type Moved struct {
	Name string
	From image.ID
}

// Load stores all images of an archive, with their layers and names. All of
// it is durable when Load returns. An archive that is refused, and any
// error, leaves the stores as they were; a crash leaves each image whole or
// absent, and layers without one until the stores are next opened to write.
// Errors that the archive causes wrap input.ErrRefused or layertar.ErrRefused; data that is not what
// its digest says, ErrMismatch or layer.ErrDigestMismatch.
func Load(ctx context.Context, to Stores, in input.Archive, opts LoadOptions) ([]Loaded, error) {
	opts = opts.fill()
	images, err := plan(in, opts)
	if err != nil {
		return nil, err
	}
	ses, err := to.Layers.NewSession(ctx)
	if err != nil {
		return nil, err
	}
	l := &loader{Stores: to, in: in, opts: opts, ses: ses, out: &writeOut{write: func() error { return ses.WriteOut(ctx) }, left: writeOutEvery}}
	l.left.Store(opts.Limits.Total)
	loaded, err := l.load(ctx, images)
	l.out.wait()
	// Cleaning up is done even if ctx is done already.
	return loaded, errors.Join(err, l.close(context.WithoutCancel(ctx)))
}

// loader is one Load under way.
type loader struct {
	Stores
	in       input.Archive
	opts     LoadOptions
	ses      *layer.Session
	left     atomic.Int64 // bytes that may still be decompressed
	out      *writeOut
	mu       sync.Mutex
	retained []layer.Layer
	kept     map[digest.Digest]bool // that are, or are about to be
	proven   proofs
}

func (l *loader) load(ctx context.Context, images []*planned) ([]Loaded, error) {
	if err := l.absent(images); err != nil {
		return nil, err
	}
	if err := l.ses.Expect(ctx, l.missing(images)); err != nil {
		return nil, err
	}
	for _, p := range images {
		if err := l.layers(ctx, p); err != nil {
			return nil, err
		}
	}
	if err := l.ses.Commit(ctx); err != nil {
		return nil, err
	}
	created, err := l.create(ctx, images)
	if err == nil {
		err = l.note(images)
	}
	if err == nil {
		var loaded []Loaded
		if loaded, err = l.name(ctx, images); err == nil {
			return loaded, nil
		}
	}
	for _, id := range created {
		err = errors.Join(err, l.Images.TakeBack(ctx, id))
	}
	return nil, err
}

// missing are the layers of the images that are not stored yet.
func (l *loader) missing(images []*planned) (chains []layer.ChainID) {
	there, wanted := l.Layers.Map(), make(map[layer.ChainID]struct{})
	for _, p := range images {
		for _, id := range p.config.Chain() {
			if _, twice := wanted[id]; there[id] == nil && !twice {
				wanted[id] = struct{}{}
				chains = append(chains, id)
			}
		}
	}
	return chains
}

// close gives the references back and undoes what was not committed. Layers
// that an image has by now stay. The session is closed last: until then a
// crash leaves nothing that is not found again.
func (l *loader) close(ctx context.Context) error {
	var errs []error
	for _, lay := range l.retained {
		_, err := l.Layers.Release(ctx, lay)
		errs = append(errs, err)
	}
	return errors.Join(append(errs, l.ses.Close(ctx))...)
}

// create stores the configurations and returns the images that are new.
func (l *loader) create(ctx context.Context, images []*planned) (created []image.ID, err error) {
	for _, p := range images {
		if _, err := l.Images.Get(p.id); errors.Is(err, image.ErrNotFound) {
			created = append(created, p.id)
		}
		if _, err := l.Images.Create(ctx, p.raw); err != nil {
			return existing(l.Images, created), err
		}
	}
	for _, p := range images {
		if p.parent == "" {
			continue
		}
		if err := l.Images.SetParent(ctx, p.id, p.parent); err != nil {
			return created, err
		}
	}
	return created, nil
}

// existing leaves out the image whose creation failed.
func existing(images *image.Store, ids []image.ID) []image.ID {
	var there []image.ID
	for _, id := range ids {
		if _, err := images.Get(id); err == nil {
			there = append(there, id)
		}
	}
	return there
}

// taken tells whether a name is a digest that another image has, which keeps
// it: an index has one digest, and an image for each platform. Where it is the
// only name, that is for the store of names to refuse.
func (l *loader) taken(name reference.Named, p *planned) bool {
	if _, ok := name.(reference.Canonical); !ok || len(p.names) == 1 {
		return false
	}
	has, err := l.Images.Refs().Get(name)
	return err == nil && image.ID(has) != p.id
}

// name gives all images their names in one step.
func (l *loader) name(ctx context.Context, images []*planned) ([]Loaded, error) {
	var names []image.Name
	loaded := make([]Loaded, len(images))
	for i, p := range images {
		loaded[i].ID = p.id
		seen := map[string]struct{}{}
		for _, n := range p.names {
			name := reference.FamiliarString(n)
			if _, twice := seen[name]; twice {
				continue
			}
			seen[name] = struct{}{}
			if l.taken(n, p) {
				continue
			}
			names = append(names, image.Name{Ref: n, ID: p.id})
			loaded[i].Names = append(loaded[i].Names, name)
		}
	}
	if len(names) == 0 {
		return loaded, nil
	}
	moved, err := l.Images.SetRefs(ctx, names)
	if err != nil {
		return nil, err
	}
	for _, m := range moved {
		name := reference.FamiliarString(m.Ref)
		for i := range loaded {
			for _, n := range loaded[i].Names {
				if n == name {
					loaded[i].Moved = append(loaded[i].Moved, Moved{Name: name, From: m.ID})
				}
			}
		}
	}
	return loaded, nil
}
