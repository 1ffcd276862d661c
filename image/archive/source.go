package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/distribution/reference"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/layer"
)

// Source is an archive of which single layers and configurations are wanted.
type Source struct {
	in     input.Archive
	opts   LoadOptions
	images []*planned
	layers map[layer.DiffID]blob
	left   atomic.Int64 // bytes that may still be decompressed
}

// Offer is one image that a source has.
type Offer struct {
	ID    image.ID
	Raw   []byte // its configuration
	Names []reference.Named
}

// NewSource reads what an archive says of itself. Errors are those of Load.
func NewSource(in input.Archive, opts LoadOptions) (*Source, error) {
	opts = opts.fill()
	images, err := plan(in, opts)
	if err != nil {
		return nil, err
	}
	s := &Source{in: in, opts: opts, images: images, layers: map[layer.DiffID]blob{}}
	s.left.Store(opts.Limits.Total)
	for _, p := range images {
		for i, id := range p.config.DiffIDs() {
			if _, known := s.layers[id]; !known {
				s.layers[id] = p.layers[i]
			}
		}
	}
	return s, nil
}

// Offers are its images.
func (s *Source) Offers(context.Context) ([]Offer, error) {
	var out []Offer
	for _, p := range s.images {
		out = append(out, Offer{ID: p.id, Raw: p.raw, Names: p.names})
	}
	return out, nil
}

// Layer opens the archive of a layer. Whoever reads it holds it to its digest.
// One that the source does not have is layer.ErrNotFound.
func (s *Source) Layer(ctx context.Context, id layer.DiffID) (io.ReadCloser, error) {
	b, ok := s.layers[id]
	if !ok {
		return nil, fmt.Errorf("layer %s is not in the archive: %w", id, layer.ErrNotFound)
	}
	f, err := s.in.OpenLinked(b.name)
	if err != nil {
		return nil, err
	}
	tar, kind, err := input.Decompress(&watched{ctx: ctx, r: f, id: id, progress: s.opts.Progress}, s.opts.Limits.Window)
	if err == nil {
		err = checkCompression(b.promise, kind)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &opened{
		Reader: &bounded{r: tar, limits: s.opts.Limits, layer: s.opts.Limits.Layer, left: &s.left},
		close:  func() error { return errors.Join(tar.Close(), f.Close()) },
	}, nil
}

// opened is a reader with what has to be closed beneath it.
type opened struct {
	io.Reader
	close func() error
}

func (o *opened) Close() error { return o.close() }

// FromStores takes them from the stores of a root, which were opened to read.
// What is damaged there is not had.
type FromStores struct{ Stores }

// Offers are the images that can be used there.
func (s FromStores) Offers(context.Context) ([]Offer, error) {
	var out []Offer
	for id, img := range s.Images.Map() {
		out = append(out, Offer{ID: id, Raw: img.Raw, Names: s.Images.References(id)})
	}
	return out, nil
}

// Layer opens the archive of a layer, whatever it lies on there. Data that is
// not what was stored ends it with an error.
func (s FromStores) Layer(ctx context.Context, id layer.DiffID) (io.ReadCloser, error) {
	err := fmt.Errorf("layer %s is not there: %w", id, layer.ErrNotFound)
	for _, l := range s.Layers.Map() {
		if l.DiffID() != id {
			continue
		}
		rc, cerr := l.TarStream(ctx)
		if cerr == nil {
			return rc, nil
		}
		err = cerr
	}
	return nil, err
}
