package repair

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/check"
	"github.com/bulkhead/bulkhead/layer"
)

// errNoSource says what would mend a finding.
var errNoSource = errors.New("name an archive or a root that has it with --from")

func (r *repair) path(f check.Finding) string { return filepath.Join(r.Layers.Root(), f.Path) }

// configs stores lost configurations again: those that images name, and those
// of layers that nobody has and an image of the source ends with.
func (r *repair) configs(ctx context.Context) error {
	err := r.each(ctx, func(f check.Finding) (string, error) {
		if len(f.Images) == 0 {
			return "", nil
		}
		o, ok := r.offers[image.ID(f.Images[0])]
		if !ok {
			return "", fmt.Errorf("the configuration of image %s is lost: %w", image.ID(f.Images[0]).Short(), errNoSource)
		}
		return "its configuration was stored again", r.config(ctx, o)
	}, string(image.FaultConfig))
	if err != nil {
		return err
	}
	return r.each(ctx, func(f check.Finding) (string, error) {
		for _, o := range r.offered() {
			config, err := image.ParseConfig(o.Raw)
			if err != nil {
				continue
			}
			chain := config.Chain()
			if len(chain) == 0 || chain[len(chain)-1].String() != f.Layer {
				continue
			}
			if slices.Contains(r.images.IDs(), o.ID) {
				return "its image has its configuration again", nil
			}
			if err := r.config(ctx, o); err != nil {
				return "", err
			}
			return "the configuration of image " + o.ID.Short() + ", which has it, was stored again", r.give(ctx, o)
		}
		return "", nil
	}, string(layer.FaultUnused))
}

// offered are the images of the source, always in the same order: of several
// that would do, the same one is taken each time.
func (r *repair) offered() (all []archive.Offer) {
	for _, id := range slices.Sorted(maps.Keys(r.offers)) {
		all = append(all, r.offers[id])
	}
	return all
}

func (r *repair) config(ctx context.Context, o archive.Offer) error {
	undo := r.Layers.NewUndo("what a repair of the configuration of image " + o.ID.String() + " replaced")
	_, err := r.images.MendConfig(ctx, o.Raw, func(path string, data []byte) error { return undo.Write(path, data, 0o600) })
	return err
}

// give gives an image that came back the names that are free.
func (r *repair) give(ctx context.Context, o archive.Offer) (err error) {
	if r.images, err = r.Images(ctx); err != nil {
		return err
	}
	var names []image.Name
	for _, n := range o.Names {
		if _, err := r.images.Refs().Get(n); err != nil {
			names = append(names, image.Name{Ref: n, ID: o.ID})
		}
	}
	if len(names) == 0 {
		return nil
	}
	_, err = r.images.SetRefs(ctx, names)
	return err
}

// simple puts aside what nobody needs, and gives back what others could write.
func (r *repair) simple(ctx context.Context) error {
	err := r.each(ctx, func(f check.Finding) (string, error) {
		return "it was put aside", r.Layers.NewUndo("what a repair put aside: " + f.Path).Take(r.path(f))
	}, string(layer.FaultStranger), string(layer.FaultTransaction), string(layer.FaultAside), string(image.FaultNotes), string(image.FaultParent))
	if err != nil {
		return err
	}
	return r.each(ctx, func(f check.Finding) (string, error) {
		return "it belongs to the store again", r.Layers.GiveBack(r.path(f))
	}, string(layer.FaultMode))
}

// removals take back those of layers that images have; the others are finished.
func (r *repair) removals(ctx context.Context) error {
	users := r.images.Users()
	return r.each(ctx, func(f check.Finding) (string, error) {
		chain, ok := layer.RemovalOf(f.Path)
		if !ok || len(users[chain]) == 0 {
			return "", nil
		}
		r.layers[chain] = true
		return "an image has the layer: its removal was undone", r.Layers.TakeBack(ctx, r.path(f))
	}, string(layer.FaultRemoving))
}

// orphans puts aside trees that nobody has, where they can be nobody's: one may
// be what a container wrote, of which there is no other copy.
func (r *repair) orphans(ctx context.Context) error {
	container := ""
	for _, f := range r.found {
		if slices.Contains(containerKinds(), f.Kind) && f.Layer == "" && r.failed[keyOf(f)] != nil {
			container = f.Path
		}
	}
	return r.each(ctx, func(f check.Finding) (string, error) {
		if container != "" {
			return "", fmt.Errorf("it may be what the container of %s wrote: see whose it is before you remove it", container)
		}
		if !r.opts.Ours {
			return "", errors.New("on Docker's root it may be somebody's: see whose it is before you remove it")
		}
		err := r.Layers.KeepOrphan(ctx, filepath.Base(f.Path))
		if errors.Is(err, layer.ErrNotFound) {
			return "it has its layer again", nil
		}
		return "it was put aside", err
	}, string(layer.FaultOrphan))
}

// containerKinds are what may be wrong with one.
func containerKinds() []string {
	return []string{string(layer.FaultContainer), string(layer.FaultTree), string(layer.FaultBuild)}
}

// containers mends what is noted of containers' layers.
func (r *repair) containers(ctx context.Context) error {
	return r.each(ctx, func(f check.Finding) (string, error) {
		if f.Layer != "" {
			return "", nil
		}
		did, err := r.Layers.MendContainer(ctx, filepath.Base(f.Path), r.opts.Ours)
		return strings.Join(did, "; "), err
	}, containerKinds()...)
}

// configFailed tells whether an image's configuration that the source may have
// could not be stored.
func (r *repair) configFailed() bool {
	return slices.ContainsFunc(r.found, func(f check.Finding) bool {
		err := r.failed[keyOf(f)]
		return f.Kind == string(image.FaultConfig) && err != nil && !errors.Is(err, errNoSource)
	})
}

// names mends the file of names.
func (r *repair) names(ctx context.Context) error {
	var names []image.Name
	for _, o := range r.offered() {
		for _, n := range o.Names {
			names = append(names, image.Name{Ref: n, ID: o.ID})
		}
	}
	undo := r.Layers.NewUndo("the file of names, before a repair")
	var did []string
	done := false
	return r.each(ctx, func(f check.Finding) (_ string, err error) {
		if r.opts.Source != nil && r.configFailed() {
			return "", errors.New("a configuration could not be stored: its names stay until it is; try again")
		}
		if !done {
			done = true
			did, err = r.images.MendNames(ctx, names, func(path string, data []byte) error { return undo.Write(path, data, 0o600) })
		}
		if err != nil {
			err = fmt.Errorf("%w: %w", err, errNoSource)
		}
		switch {
		case f.Kind == string(image.FaultNames):
			return "written again, with the names that the source gives: " + strings.Join(did, ", "), err
		case len(did) == 0:
			return "", err
		}
		return "taken from the file of names: " + strings.Join(did, ", "), err
	}, string(image.FaultNames), string(image.FaultName))
}
