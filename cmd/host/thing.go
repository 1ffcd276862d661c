package main

import (
	"errors"
	"fmt"

	"github.com/distribution/reference"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/layer"
)

// thing is a tree that can be mounted.
type thing struct {
	kind     string // "container", "image" or "layer"
	what     string // as people call it
	id       string // the driver's name for it
	writable bool
}

// errNoThing: there is nothing of that name.
var errNoThing = errors.New("no such image, layer or container's layer")

// things lists what a person may mean by a name: a container's layer of that
// name, an image, a read-only layer, in this order. Nothing is an error.
func things(o *opened, name string) ([]thing, error) {
	var found []thing
	var errs []error
	if id, err := o.Layers.GetMountID(name); err == nil {
		found = append(found, thing{"container", name, id, true})
	}
	id, err := o.Images.Resolve(name)
	if err == nil {
		var top layer.Layer
		if top, err = o.Images.Layer(id); err == nil && top == nil {
			err = fmt.Errorf("image %s has no layers, and so no files", id.Short())
		}
		if err == nil {
			found = append(found, thing{"image", imageName(o.Images, id), top.CacheID(), false})
		}
	}
	errs = append(errs, err)
	chain, err := findLayer(o.Layers, name)
	if err == nil {
		found = append(found, thing{"layer", shortID(chain.String(), false), o.Layers.Map()[chain].CacheID(), false})
	}
	errs = append(errs, err)
	if len(found) > 0 {
		return found, nil
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, image.ErrNotFound) && !errors.Is(err, layer.ErrNotFound) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: %s (see image ls, layer ls, layer ls --rw)", errNoThing, name)
}

// findThing is the first of things.
func findThing(o *opened, name string) (thing, error) {
	found, err := things(o, name)
	if err != nil {
		return thing{}, err
	}
	return found[0], nil
}

// imageName is the first name of an image, or its ID without one.
func imageName(images *image.Store, id image.ID) string {
	for _, ref := range images.References(id) {
		return reference.FamiliarString(ref)
	}
	return id.Short()
}

// mountable maps the driver's names to what they are: containers' layers,
// images by their names if they have any, other layers by their chain IDs.
func mountable(o *opened) map[string]thing {
	all := map[string]thing{}
	for chain, l := range o.Layers.Map() {
		all[l.CacheID()] = thing{"layer", shortID(chain.String(), false), l.CacheID(), false}
	}
	for _, id := range o.Images.IDs() {
		top, err := o.Images.Layer(id)
		if err != nil || top == nil {
			continue
		}
		t := thing{"image", imageName(o.Images, id), top.CacheID(), false}
		if old := all[t.id]; old.kind == "image" && len(o.Images.References(id)) == 0 {
			t = old
		}
		all[t.id] = t
	}
	for _, l := range o.Layers.RWLayers() {
		all[l.MountID()] = thing{"container", l.Name(), l.MountID(), true}
	}
	return all
}
