package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/blobs"
	"github.com/bulkhead/bulkhead/layer"
)

// PushOptions say how to push. The zero value is the usual way.
type PushOptions struct {
	// Format is the kind of manifest, "" for the one by which the image came
	// or went before, or else Docker's.
	Format Format
	// TempDir takes layers while they are compressed.
	TempDir string
	// Progress may be nil. Told, if not nil, learns how each layer got there;
	// it is called by several goroutines.
	Progress archive.Progress
	Told     func(id layer.DiffID, how string)
}

// Pushed is an image that was pushed.
type Pushed struct {
	Digest digest.Digest
	Size   int64 // of the manifest
}

// Push takes an image to a registry by a name. Layers that are there are not
// sent, those that another repository of the registry has are mounted from it,
// and those that were kept compressed are sent as they came; what remains is
// compressed, always to the same bytes. An image of which all layers are, or
// can be made, as in the manifest by which it came, goes by that very
// manifest.
//
// The layers are verified as they are read. The manifest goes last. Where there
// is a digest beside an error the image is pushed.
func Push(ctx context.Context, ref reference.NamedTagged, img *image.Image, from archive.Stores, kept *blobs.Store, push PushOptions, opts Options) (_ Pushed, err error) {
	opts = opts.fill()
	e, err := newEndpoint(reference.Domain(ref), reference.Path(ref), opts)
	if err != nil {
		return Pushed{}, err
	}
	defer e.close()
	p := &pusher{endpoint: e, ref: ref, img: img, from: from, kept: kept, push: push, done: map[layer.DiffID]*place{}}
	if p.push.Progress == nil {
		p.push.Progress = quiet{}
	}
	if p.push.Told == nil {
		p.push.Told = func(layer.DiffID, string) {}
	}
	pushed, err := p.run(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return Pushed{}, context.Cause(ctx)
		}
		return Pushed{}, explain(e.host, err)
	}
	all := make([]int, len(img.RootFS.DiffIDs))
	for i := range all {
		all[i] = i
	}
	r := blobs.Record{MediaType: p.manifest.mediaType, Manifest: string(p.manifest.raw), Proven: all}
	if err := kept.Note(img.ID.Digest(), r, ref.Name()); err != nil {
		return pushed, fmt.Errorf("%s is pushed, but by which manifest cannot be noted: %w", reference.FamiliarString(ref), err)
	}
	return pushed, nil
}

// pusher is one Push under way.
type pusher struct {
	*endpoint
	ref      reference.NamedTagged
	img      *image.Image
	from     archive.Stores
	kept     *blobs.Store
	push     PushOptions
	hints    *hints
	manifest manifest
	done     map[layer.DiffID]*place
}

// place is a layer that is there, or on its way.
type place struct {
	desc ocispec.Descriptor
	err  error
}

func (p *pusher) run(ctx context.Context) (Pushed, error) {
	if _, err := p.connect(ctx, p.repo.Scope(transport.PushScope)); err != nil {
		return Pushed{}, err
	}
	var err error
	if p.hints, err = newHints(p.from.Images, p.kept, p.img, reference.Domain(p.ref)); err != nil {
		return Pushed{}, err
	}
	if err := p.layers(ctx); err != nil {
		return Pushed{}, err
	}
	config := ocispec.Descriptor{Digest: p.img.ID.Digest(), Size: int64(len(p.img.Raw))}
	if there, err := p.has(ctx, config.Digest); err != nil {
		return Pushed{}, err
	} else if !there {
		if err := p.upload(ctx, config, strings.NewReader(string(p.img.Raw)), func(int64) {}); err != nil {
			return Pushed{}, fmt.Errorf("configuration: %w", err)
		}
	}
	var descs []ocispec.Descriptor
	for _, id := range p.img.DiffIDs() {
		descs = append(descs, p.done[id].desc)
	}
	if p.manifest, err = p.hints.manifest(p.push.Format, config, descs); err != nil {
		return Pushed{}, err
	}
	if err := p.putManifest(ctx, p.ref.Tag()); err != nil {
		return Pushed{}, fmt.Errorf("manifest: %w", err)
	}
	return Pushed{Digest: digest.FromBytes(p.manifest.raw), Size: int64(len(p.manifest.raw))}, nil
}

// layers gets all layers there, several at once.
func (p *pusher) layers(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	places := make(chan struct{}, p.opts.Downloads)
	var all sync.WaitGroup
	chain := p.img.Chain()
	for i, id := range p.img.DiffIDs() {
		if p.done[id] != nil {
			continue
		}
		at := &place{}
		p.done[id] = at
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-places }()
			var how string
			if at.desc, how, at.err = p.layer(ctx, id, chain[i]); at.err != nil {
				cancel(fmt.Errorf("layer %s: %w", id, at.err))
				return
			}
			p.push.Told(id, how)
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// layer gets one layer there: by what is known of it, or else compressed
// anew.
func (p *pusher) layer(ctx context.Context, id layer.DiffID, chain layer.ChainID) (ocispec.Descriptor, string, error) {
	candidates := p.hints.of(id)
	for _, c := range candidates {
		there, err := p.has(ctx, c.desc.Digest)
		if there || err != nil {
			return c.desc, "Layer already exists", err
		}
	}
	for _, c := range candidates {
		for _, repository := range c.repositories {
			if mounted, err := p.mount(ctx, c.desc.Digest, repository); err != nil {
				return c.desc, "", err
			} else if mounted {
				return c.desc, "Mounted from " + strings.TrimPrefix(repository, reference.Domain(p.ref)+"/"), nil
			}
		}
	}
	for _, c := range candidates {
		sent, err := p.sendKept(ctx, id, c.desc)
		if sent || err != nil {
			return c.desc, "Pushed", err
		}
	}
	return p.compressed(ctx, id, chain)
}

// sendKept sends a blob as it came, if it was kept and is what it was.
func (p *pusher) sendKept(ctx context.Context, id layer.DiffID, desc ocispec.Descriptor) (bool, error) {
	f, err := p.kept.Open(desc.Digest)
	if err != nil {
		return false, nil // then it is compressed
	}
	defer f.Close()
	if !whole(ctx, f, desc.Digest, desc.Size) {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		return false, p.kept.Remove(desc.Digest)
	}
	return true, p.send(ctx, id, desc, f)
}

// compressed compresses a layer and sends it, if it is not there after all.
func (p *pusher) compressed(ctx context.Context, id layer.DiffID, chain layer.ChainID) (_ ocispec.Descriptor, how string, err error) {
	f, desc, err := p.compress(ctx, chain)
	if err != nil {
		return desc, "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if there, err := p.has(ctx, desc.Digest); there || err != nil {
		return desc, "Layer already exists", err
	}
	return desc, "Pushed", p.send(ctx, id, desc, f)
}

// send sends a layer from a file.
func (p *pusher) send(ctx context.Context, id layer.DiffID, desc ocispec.Descriptor, f *os.File) error {
	p.push.Progress.Start(id, desc.Size)
	err := p.upload(ctx, desc, f, func(n int64) { p.push.Progress.Advance(id, n) })
	if err == nil {
		p.push.Progress.Done(id)
	}
	return err
}

// putManifest gives the image its tag.
func (p *pusher) putManifest(ctx context.Context, tag string) error {
	return p.retry(ctx, func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, p.url("manifests", tag), strings.NewReader(string(p.manifest.raw)))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", p.manifest.mediaType)
		res, err := send(p.current(), req, http.StatusCreated, http.StatusOK, http.StatusAccepted)
		if err != nil {
			return err
		}
		return res.Body.Close()
	})
}

type quiet struct{}

func (quiet) Start(layer.DiffID, int64)   {}
func (quiet) Advance(layer.DiffID, int64) {}
func (quiet) Done(layer.DiffID)           {}
