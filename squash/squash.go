package squash

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/layer"
)

// Stores are where images and their layers are.
type Stores struct {
	Images *image.Store
	Layers *layer.Store
}

// Options say what to make. The zero value squashes all layers into one.
type Options struct {
	// Parent is the image whose layers are kept, "" for none. They have to be
	// the lowest layers of the image, else layer.ErrNotAncestor.
	Parent image.ID
	// Name is given to the new image, "" for none.
	Name string
	// Now is when the image is made; nil is time.Now.
	Now func() time.Time
}

// Image squashes an image and returns the new one's ID. The layers to squash
// are verified first: damage would be made good by it otherwise. Nothing that
// was there is changed, but for a Name that is taken from another image. After
// an error nothing new stays.
func Image(ctx context.Context, in Stores, id image.ID, opts Options) (_ image.ID, err error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	img, err := in.Images.Get(id)
	if err != nil {
		return "", err
	}
	parent := &image.Image{}
	if opts.Parent != "" {
		if parent, err = in.Images.Get(opts.Parent); err != nil {
			return "", fmt.Errorf("parent: %w", err)
		}
	}
	if err := verify(ctx, in.Layers, img, parent); err != nil {
		return "", err
	}
	ses, err := in.Layers.NewSession(ctx)
	if err != nil {
		return "", err
	}
	// Until the session is closed a crash leaves nothing that is not found
	// again.
	defer func() { err = errors.Join(err, ses.Close(ctx)) }()
	l, err := merge(ctx, in.Layers, ses, img, parent)
	if err != nil {
		return "", fmt.Errorf("squash image %s: %w", img.ID.Short(), err)
	}
	if l != nil {
		defer func() {
			_, rerr := in.Layers.Release(context.WithoutCancel(ctx), l) // or nobody would think of it again
			err = errors.Join(err, rerr)
		}()
	}
	if err := ses.Commit(ctx); err != nil {
		return "", err
	}
	raw, err := config(img, parent, l, opts.Now())
	if err != nil {
		return "", fmt.Errorf("squash image %s: %w", img.ID.Short(), err)
	}
	_, missing := in.Images.Get(image.IDOf(raw))
	made, err := in.Images.Create(ctx, raw)
	if err == nil && opts.Name != "" {
		if _, err = in.Images.Tag(ctx, made, opts.Name); err != nil && missing != nil {
			err = errors.Join(err, in.Images.TakeBack(ctx, made))
		}
	}
	return made, err
}

// verify reads the layers that are to be squashed.
func verify(ctx context.Context, layers *layer.Store, img, parent *image.Image) error {
	for i, chain := range img.Chain() {
		if i < len(parent.RootFS.DiffIDs) {
			continue
		}
		if err := layers.Verify(ctx, chain); err != nil {
			return fmt.Errorf("image %s, layer %d: %w", img.ID.Short(), i+1, err)
		}
	}
	return nil
}

// merge registers what turns the parent's tree into the image's.
func merge(ctx context.Context, layers *layer.Store, ses *layer.Session, img, parent *image.Image) (_ layer.Layer, err error) {
	if img.ChainID() == "" {
		return nil, errors.New("it has no layers")
	}
	top, err := layers.Get(img.ChainID())
	if err != nil {
		return nil, err
	}
	defer func() {
		_, rerr := layers.Release(ctx, top)
		err = errors.Join(err, rerr)
	}()
	root, err := rootEntry(ctx, layers, img.ChainID(), parent.ChainID())
	if err != nil {
		return nil, err
	}
	tar, err := top.TarStreamFrom(ctx, parent.ChainID())
	if err != nil {
		return nil, err
	}
	l, err := ses.Register(ctx, withRoot(root, tar), parent.ChainID(), layer.RegisterOptions{})
	return l, errors.Join(err, tar.Close())
}
