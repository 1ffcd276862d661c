package container

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/layer"
)

// CommitOptions say what the new image is to be. The zero value changes
// nothing but the files.
type CommitOptions struct {
	// Comment and Author are told in the history.
	Comment, Author string
	// Changes are made to the configuration.
	Changes Changes
	// Name is given to the new image, "" for none.
	Name string
	// Now is when the image is made; nil is time.Now.
	Now func() time.Time
}

// Commit makes an image of a read-write layer and returns its ID. The layer
// stays as it is, and is not kept from being written to meanwhile. What it has
// changed becomes one layer on top of its parent, none if it has changed
// nothing. After an error nothing new stays.
//
// Errors: layer.ErrNotFound, ErrNoImage, layer.ErrMaxDepth.
func Commit(ctx context.Context, in Stores, name string, opts CommitOptions) (_ image.ID, err error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	parent, rw, err := find(in, name)
	if err != nil {
		return "", err
	}
	ses, err := in.Layers.NewSession(ctx)
	if err != nil {
		return "", err
	}
	// Until the session is closed a crash leaves nothing that is not found
	// again.
	defer func() { err = errors.Join(err, ses.Close(ctx)) }()
	l, err := register(ctx, ses, rw)
	if err != nil {
		return "", fmt.Errorf("commit %q: %w", name, err)
	}
	defer func() {
		_, rerr := in.Layers.Release(context.WithoutCancel(ctx), l) // or nobody would think of it again
		err = errors.Join(err, rerr)
	}()
	if err := ses.Commit(ctx); err != nil {
		return "", fmt.Errorf("commit %q: %w", name, err)
	}
	raw, err := config(parent, rw, l, opts)
	if err != nil {
		return "", fmt.Errorf("commit %q: %w", name, err)
	}
	return store(ctx, in.Images, raw, parent.ID, opts.Name)
}

// ErrNoImage: the image that a layer was made of is not there any more.
var ErrNoImage = errors.New("the image that it was made of is gone; load it again, or keep the changes with layer diff")

// find looks up a layer and the image that it was made of, which is empty for
// a layer on no image.
func find(in Stores, name string) (*image.Image, layer.RWLayer, error) {
	var rw layer.RWLayer
	for _, l := range in.Layers.RWLayers() {
		if l.Name() == name {
			rw = l
		}
	}
	if rw == nil {
		return nil, nil, fmt.Errorf("read-write layer %q: %w", name, layer.ErrNotFound)
	}
	fail := func(err error) (*image.Image, layer.RWLayer, error) {
		return nil, nil, fmt.Errorf("commit %q: %w", name, err)
	}
	id, err := in.Images.ContainerImage(name)
	if err != nil {
		return fail(err)
	}
	if id == "" {
		return &image.Image{Config: image.Config{RootFS: chain(rw.Parent())}}, rw, nil
	}
	img, err := in.Images.Get(id)
	if errors.Is(err, image.ErrNotFound) {
		return fail(fmt.Errorf("%w (%s)", ErrNoImage, id.Short()))
	}
	if err != nil {
		return fail(err)
	}
	if p := rw.Parent(); p == nil && img.ChainID() != "" || p != nil && p.ChainID() != img.ChainID() {
		return fail(fmt.Errorf("it does not lie on image %s, of which it is said to be made: %w", id.Short(), layer.ErrCorrupt))
	}
	return img, rw, nil
}

// register stores what the layer changes on top of its parent.
func register(ctx context.Context, ses *layer.Session, rw layer.RWLayer) (layer.Layer, error) {
	tar, err := rw.TarStream(ctx)
	if err != nil {
		return nil, err
	}
	var parent layer.ChainID
	if p := rw.Parent(); p != nil {
		parent = p.ChainID()
	}
	l, err := ses.Register(ctx, tar, parent, layer.RegisterOptions{})
	return l, errors.Join(err, tar.Close())
}

// store makes the image, and takes it back if it cannot have its name.
func store(ctx context.Context, images *image.Store, raw []byte, parent image.ID, name string) (image.ID, error) {
	_, missing := images.Get(image.IDOf(raw))
	id, err := images.Create(ctx, raw)
	if err != nil {
		return "", err
	}
	if parent != "" {
		err = images.SetParent(ctx, id, parent)
	}
	if err == nil && name != "" {
		_, err = images.Tag(ctx, id, name)
	}
	if err != nil && missing != nil {
		err = errors.Join(err, images.TakeBack(ctx, id))
	}
	return id, err
}

// noChange is the diff ID of an archive without entries, as which Docker
// knows a step that changed no file.
const noChange = digest.Digest("sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef")
