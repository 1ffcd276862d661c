package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/layer"
)

// Contents is one image of an archive: its configuration, and where its layers
// are.
type Contents struct {
	ID     image.ID
	Raw    []byte // the configuration
	Config *image.Config
	Layers []Blob // lowest first, one for each diff ID
}

// Blob is a layer as an archive has it.
type Blob struct {
	DiffID layer.DiffID
	// Name is what the archive has it by.
	Name string
	// Promise is what the archive says of it, nil if it says nothing.
	Promise *ocispec.Descriptor
}

// List reads what an archive says it has, as Load does before it reads layers.
func List(in input.Archive, opts LoadOptions) ([]Contents, error) {
	images, err := plan(in, opts.fill())
	if err != nil {
		return nil, err
	}
	all := make([]Contents, len(images))
	for i, p := range images {
		all[i] = Contents{ID: p.id, Raw: p.raw, Config: p.config}
		for k, id := range p.config.DiffIDs() {
			all[i].Layers = append(all[i].Layers, Blob{DiffID: id, Name: p.layers[k].name, Promise: p.layers[k].promise})
		}
	}
	return all, nil
}

// OpenLayer reads one layer of an archive, decompressed. The reader fails, at
// its end at the latest, if that is not the layer that the configuration
// names, nor the blob that the archive promises, or longer than allowed.
func OpenLayer(ctx context.Context, in input.Archive, b Blob, limits Limits) (io.ReadCloser, error) {
	f, err := in.OpenLinked(b.Name)
	if err != nil {
		return nil, err
	}
	limits = limits.fill()
	watch := &watched{ctx: ctx, r: f, id: b.DiffID, progress: silent{}}
	held, err := hold(watch, b.Promise, f.Size())
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	tar, kind, err := input.Decompress(held, limits.Window)
	if err == nil {
		err = checkCompression(b.Promise, kind)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	left := &atomic.Int64{}
	left.Store(limits.Total)
	return &layerReader{
		bounded: bounded{r: tar, limits: limits, layer: limits.Layer, left: left},
		want:    digest.Digest(b.DiffID), verifier: digest.Digest(b.DiffID).Verifier(), held: held,
		close: func() error { return errors.Join(tar.Close(), f.Close()) },
	}, nil
}

// layerReader ends only if all was right.
type layerReader struct {
	bounded
	want     digest.Digest
	verifier digest.Verifier
	held     *held
	close    func() error
}

func (r *layerReader) Read(p []byte) (int, error) {
	n, err := r.bounded.Read(p)
	r.verifier.Write(p[:n]) // a hash does not fail
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if ferr := r.held.finish(); ferr != nil {
		return n, ferr
	}
	if !r.verifier.Verified() {
		return n, refuse("%w", fmt.Errorf("layer %s: %w", r.want, layer.ErrDigestMismatch))
	}
	return n, err
}

func (r *layerReader) Close() error { return r.close() }
